"""The stamp on a journaled message: it records for whom the message was journaled, so that the next hop does not repeat it.

A stamp is a header field of keyed digests, here called tags: one for each report as a whole (its journal mailbox, the users it
was made for, the recipients it lists) and, unless there are too many, one for each journal mailbox and user and one for each
journal mailbox and recipient. Without the secret nobody can read or guess an address from it, or the number of addresses, and
an address has other tags on the next message. The stamp is sealed over the content of its message: on another message it is
worthless.
"""

import hmac
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal.limits import TAG_LIMIT
from exjournal.reports.seals import decoded, digest_of, encoded, keyed

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer

# Bytes of a digest that make a tag: to hit a tag of a full stamp by chance takes 2 to the power of 60 tries against the server.
_TAG_BYTES: Final = 9
# Bytes of a tag as it is written, in base64.
_TAG_SIZE: Final = 12
_TAGS_PER_LINE: Final = 6
# The number of tags is padded to this number, or to twice, four times the number, and so on.
_PADDING: Final = 8
_STAMP: Final = re.compile(rb"v=2;s=([A-Za-z0-9_-]{43});t=((?:[A-Za-z0-9_-]{12})*+)")


class Journaled(NamedTuple):
    """A report as a stamp records it, in keys of mailboxes: journal mailbox, MAIL FROM, the users it is for, its recipients."""

    journal_to: str
    sender: str
    users: tuple[str, ...]
    recipients: tuple[str, ...]


class Stamps(NamedTuple):
    """The stamps on a message that a secret verified.

    `verified` has for each such secret the key of its tags, and all of these tags. `digest` is the digest of the message that
    the stamps were verified with, or b"" if there are none.
    """

    verified: tuple[tuple[bytes, frozenset[bytes]], ...] = ()
    digest: bytes = b""

    def hold_report(self, report: Journaled, /) -> bool:
        """Whether exactly this report was made already."""
        return any(_report_tag(key, report) in tags for key, tags in self.verified)

    def hold_users(self, report: Journaled, /) -> bool:
        """Whether the message was journaled to this mailbox for each of the users."""
        return all(self._hold(b"user", report.journal_to, report.sender, user) for user in report.users)

    def missing(self, report: Journaled, /) -> frozenset[str]:
        """Find the recipients that no report to this mailbox listed."""
        return frozenset(
            [key for key in report.recipients if not self._hold(b"recipient", report.journal_to, report.sender, key)]
        )

    def _hold(self, purpose: bytes, *values: str) -> bool:
        return any(_tag(key, purpose, *values) in tags for key, tags in self.verified)


def verified_stamps(data: "Buffer", values: Iterable[bytes], secrets: tuple[bytes, ...], /) -> Stamps:
    """Find the stamps among the values of a header field that one of the secrets verifies for this message."""
    stamps = [_STAMP.fullmatch(b"".join(value.split())) for value in values]
    distinct = {(decoded(stamp[1]), stamp[2]) for stamp in stamps if stamp is not None}
    if not distinct or not secrets:
        return Stamps()
    digest = digest_of(data)
    verified: dict[bytes, set[bytes]] = {}
    for secret in secrets:
        for seal, text in distinct:
            if hmac.compare_digest(seal, keyed(secret, b"stamp", digest, text)):
                tags = verified.setdefault(keyed(secret, b"tags", digest), set())
                tags.update([text[start : start + _TAG_SIZE] for start in range(0, len(text), _TAG_SIZE)])
    if not verified:
        return Stamps()
    return Stamps(tuple([(key, frozenset(tags)) for key, tags in verified.items()]), digest)


def stamp_value(digest: bytes, reports: Iterable[Journaled], secret: bytes, /) -> str:
    """Write the value of the stamp for the reports on a message, folded with CRLF and a tab.

    `digest` is that of the content of the message. Of more reports than `TAG_LIMIT` only the first ones are recorded; the next
    hop makes the others again.
    """
    key = keyed(secret, b"tags", digest)
    ordered = sorted(reports)
    tags = {_report_tag(key, report) for report in ordered[:TAG_LIMIT]}
    if len(tags) + sum(len(report.users) + len(report.recipients) for report in ordered) <= TAG_LIMIT:
        for report in ordered:
            pair = (report.journal_to, report.sender)
            tags.update([_tag(key, b"user", *pair, user) for user in report.users])
            tags.update([_tag(key, b"recipient", *pair, recipient) for recipient in report.recipients])
    size = _PADDING
    while size < len(tags):
        size *= 2
    # The number of tags would show the number of recipients, Bcc included.
    tags.update([_tag(key, b"padding", str(number)) for number in range(size - len(tags))])
    text = b"".join(sorted(tags))
    seal = encoded(keyed(secret, b"stamp", digest, text))
    width = _TAGS_PER_LINE * _TAG_SIZE
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    return (b"v=2; s=%b; t=\r\n\t%b" % (seal, b"\r\n\t".join(lines))).decode("ascii")


def _report_tag(key: bytes, report: Journaled) -> bytes:
    # The key of a mailbox never contains a line end.
    users = "\n".join(sorted(set(report.users)))
    recipients = "\n".join(sorted(set(report.recipients)))
    return _tag(key, b"report", report.journal_to, report.sender, users, recipients)


def _tag(key: bytes, purpose: bytes, *values: str) -> bytes:
    return encoded(keyed(key, purpose, *[value.encode("utf-8") for value in values])[:_TAG_BYTES])
