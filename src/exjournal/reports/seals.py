"""Keyed digests: who knows a secret can prove that a report, or the stamp on a message, is his own and unaltered.

A seal is an HMAC (RFC 2104) with SHA-256 over the content of the message that bears it, so that it is worth nothing on another
one. Seals are compared in constant time. The first of several secrets signs, any of them verifies, which lets secrets be
replaced one after the other.
"""

import binascii
import hmac
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from exjournal._wire import names
from exjournal._wire.beginnings import scan_message, scan_message_spans
from exjournal._wire.buffers import in_place
from exjournal._wire.canonical import sealed_digest
from exjournal._wire.headers import span_pattern, unfold
from exjournal.errors import InvalidValue
from exjournal.limits import SECRET_MINIMUM
from exjournal.reports.markers import OUTER, marked

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer, Data


_SEAL: Final = rb"v=2;\s*s=([A-Za-z0-9_-]{43})"


class Seal(StrEnum):
    """What a seal proves: VALID, the message is as it was sealed; INVALID, it is not, or another secret was used."""

    VALID = "valid"
    INVALID = "invalid"
    ABSENT = "absent"


def verify_seal(report: "Data", /, *, secrets: Iterable[bytes]) -> Seal:
    """Whether a report bears a seal of one of the secrets, and is as it was when it was sealed.

    Covered are the whole body, with the report text and the original in it, and the fields of the outer header block that are
    shown to a reader. Not covered is what servers do that pass mail on: folding of header fields, whether a line ends in CRLF
    or LF, line ends at the very end, and fields that they add to the outer block.
    Secrets have at least 16 octets. Raises InvalidValue where there is none.
    """
    keys = known_secrets(secrets)
    if not keys:
        raise InvalidValue("secrets", "is empty: a seal is verified by a secret")
    return seal_of(in_place(report, "a report"), keys)


def seal_of(octets: "Buffer", secrets: tuple[bytes, ...], /) -> Seal:
    """The same for secrets that were looked at; without any, a seal is INVALID."""
    spans = scan_message_spans(octets, span_pattern((names.SEAL,))).fields
    if not spans:
        return Seal.ABSENT
    found = [re.fullmatch(_SEAL, unfold(octets[begin:behind].partition(b":")[2])) for begin, behind in spans]
    digests = [decoded(seal[1]) for seal in found if seal is not None]
    if not digests or not secrets:
        return Seal.INVALID
    told = _told(octets)
    expected = [keyed(secret, b"report", *told) for secret in secrets]
    valid = any(hmac.compare_digest(one, other) for one in expected for other in digests)
    return Seal.VALID if valid else Seal.INVALID


def seal_field(octets: "Buffer", secret: bytes, /) -> bytes:
    """The header field that seals a report, with its line end, to be put before everything else."""
    return b"%b: v=2; s=%b\r\n" % (names.SEAL.encode(), encoded(keyed(secret, b"report", *_told(octets))))


def _told(octets: "Buffer") -> tuple[bytes, bytes]:
    """What a report says, and the format that its marker names: a marker changes its name where a report leaves."""
    fields = scan_message(octets, OUTER).fields
    return digest_of(octets), str(marked(fields)[0]).encode("ascii")


def digest_of(octets: "Buffer", /) -> bytes:
    """The digest of the content that a seal is made over; loaded with the first one, as few programs seal."""
    return sealed_digest(octets)


def known_secrets(secrets: Iterable[bytes], /) -> tuple[bytes, ...]:
    """The secrets, each fit to be one; InvalidValue names what is not, and never shows it."""
    given: object = secrets  # one secret is a collection as well, of integers
    if isinstance(given, (bytes, str)) or not isinstance(given, Iterable):
        raise InvalidValue("secrets", f"is a {type(given).__name__}, not a collection of bytes")
    known = tuple(secrets)
    for secret in known:
        if not isinstance(secret, bytes):
            raise InvalidValue("secrets", f"holds a {type(secret).__name__}, not bytes")
        if len(secret) < SECRET_MINIMUM:
            raise InvalidValue("secrets", f"holds one of {len(secret)} octets, fewer than {SECRET_MINIMUM}")
    return known


def keyed(secret: bytes, purpose: bytes, /, *told: bytes) -> bytes:
    """HMAC-SHA-256 over a purpose and what is told, each with its size before it; 32 octets."""
    return hmac.digest(secret, b"".join(_sized((b"exjournal", purpose, *told))), "sha256")


def _sized(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield b"%d:" % len(piece)
        yield piece


def encoded(octets: bytes, /) -> bytes:
    """Buffer as text of a header field: base64 for URLs (RFC 4648 section 5), without padding."""
    return binascii.b2a_base64(octets, newline=False).translate(_FOR_URLS).rstrip(b"=")


def decoded(text: bytes, /) -> bytes:
    """The octets of such a text, whose alphabet was looked at."""
    return binascii.a2b_base64(text.translate(_FROM_URLS) + b"=" * (-len(text) % 4))


_FOR_URLS: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URLS: Final = bytes.maketrans(b"-_", b"+/")
