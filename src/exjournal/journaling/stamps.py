"""The stamp that says for whom a message was journaled already, so that the next hop does not do it again.

A stamp is a header field full of keyed digests, here called tags: for each report one of the whole of it (journal mailbox,
users it was made for, recipients it lists), and where they are not too many one for each journal mailbox and user and one for
each journal mailbox and recipient. Without the secret no address can be read or guessed from it, nor how many there are, and
the same address has other tags on the next message. The stamp is sealed over the content of its message: copied to another one
it is worth nothing.
"""

import hmac
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal.limits import TAG_LIMIT
from exjournal.reports.seals import decoded, digest_of, encoded, keyed

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer

# Buffer of a digest that make a tag: to hit one of a full stamp by chance takes 2 to the power of 60 tries against the server.
_TAG_OCTETS: Final = 9
_TAG_SIZE: Final = 12
_TAGS_A_LINE: Final = 6
# A stamp has at least so many tags, and then twice, four times as many, and so on.
_PADDING: Final = 8
_STAMP: Final = rb"v=2;s=([A-Za-z0-9_-]{43});t=((?:[A-Za-z0-9_-]{12})*+)"


class Journaled(NamedTuple):
    """What a stamp says of one report, in keys of mailboxes: where it went, MAIL FROM, for which users, whom it lists."""

    journal_to: str
    sender: str
    users: tuple[str, ...]
    recipients: tuple[str, ...]


class Stamps(NamedTuple):
    """The stamps on a message that a secret verified: for each secret the key of its tags, and all of these tags."""

    verified: tuple[tuple[bytes, frozenset[bytes]], ...] = ()

    def hold_report(self, one: Journaled, /) -> bool:
        """Whether exactly this report was made already."""
        return self._hold(*_report(one))

    def hold_users(self, one: Journaled, /) -> bool:
        """Whether the message was journaled to this mailbox for each of the users."""
        return all(self._hold(b"user", one.journal_to, one.sender, user) for user in one.users)

    def missing(self, one: Journaled, /) -> frozenset[str]:
        """The recipients that no report to this mailbox listed."""
        return frozenset(
            [key for key in one.recipients if not self._hold(b"recipient", one.journal_to, one.sender, key)]
        )

    def _hold(self, purpose: bytes, *told: str) -> bool:
        return any(_tag(key, purpose, *told) in tags for key, tags in self.verified)


def verified_stamps(octets: "Buffer", values: Iterable[bytes], secrets: tuple[bytes, ...], /) -> Stamps:
    """The stamps among the values of a header field that one of the secrets verifies for this message."""
    found = [re.fullmatch(_STAMP, b"".join(value.split())) for value in values]
    # Copies of one stamp are one.
    read = {(decoded(stamp[1]), stamp[2]) for stamp in found if stamp is not None}
    if not read or not secrets:
        return Stamps()
    content = digest_of(octets)
    verified: dict[bytes, set[bytes]] = {}
    for secret in secrets:
        for seal, text in read:
            if hmac.compare_digest(seal, keyed(secret, b"stamp", content, text)):
                tags = verified.setdefault(keyed(secret, b"tags", content), set())
                tags.update([text[start : start + _TAG_SIZE] for start in range(0, len(text), _TAG_SIZE)])
    return Stamps(tuple([(key, frozenset(tags)) for key, tags in verified.items()]))


def stamp_value(octets: "Buffer", reports: Iterable[Journaled], secret: bytes, /) -> str:
    """The value of the stamp for the reports on a message, folded with CRLF and a tab.

    Of more reports than `TAG_LIMIT` the rest stays out, and is made again at the next hop.
    """
    content = digest_of(octets)
    key = keyed(secret, b"tags", content)
    told = sorted(reports)
    tags = {_tag(key, *_report(one)) for one in told[:TAG_LIMIT]}
    if len(tags) + sum(len(one.users) + len(one.recipients) for one in told) <= TAG_LIMIT:
        for one in told:
            tags.update([_tag(key, b"user", one.journal_to, one.sender, user) for user in one.users])
            tags.update(
                [_tag(key, b"recipient", one.journal_to, one.sender, recipient) for recipient in one.recipients]
            )
    size = _PADDING
    while size < len(tags):
        size *= 2
    # How many tags there are would tell how many recipients there are, Bcc among them.
    tags.update([_tag(key, b"padding", str(number)) for number in range(size - len(tags))])
    text = b"".join(sorted(tags))
    seal = encoded(keyed(secret, b"stamp", content, text))
    line = _TAGS_A_LINE * _TAG_SIZE
    lines = [text[start : start + line] for start in range(0, len(text), line)]
    return (b"v=2; s=%b; t=\r\n\t%b" % (seal, b"\r\n\t".join(lines))).decode("ascii")


def _report(one: Journaled) -> tuple[bytes, str, str, str, str]:
    # No key of a mailbox has a line end in it.
    return (
        b"report",
        one.journal_to,
        one.sender,
        "\n".join(sorted(set(one.users))),
        "\n".join(sorted(set(one.recipients))),
    )


def _tag(key: bytes, purpose: bytes, *told: str) -> bytes:
    return encoded(keyed(key, purpose, *[item.encode("utf-8") for item in told])[:_TAG_OCTETS])
