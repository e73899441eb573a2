"""Seals: by a secret, its holder can recognize a report as their own and unaltered.

A seal is an HMAC (RFC 2104) with SHA-256 over the content of the message that bears it, so it is worthless on any other
message. The content is the body and the header fields that `SEALED_FIELDS` of `_wire.canonical` lists. Seals are compared in
constant time. The first of several secrets signs and any of them verifies, so secrets can be replaced one after the other.
Stamps on messages use the same keyed digests.
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
from exjournal.errors import InvalidValue, wrong_type
from exjournal.limits import SECRET_MINIMUM
from exjournal.reports.markers import OUTER, marked

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer, Data


_SEAL_FIELD = span_pattern((names.SEAL,))
_SEAL = re.compile(rb"v=2;\s*s=([A-Za-z0-9_-]{43})")
# From base64 to its alphabet for URLs, and back (RFC 4648 section 5).
_FOR_URLS: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URLS: Final = bytes.maketrans(b"-_", b"+/")


class Seal(StrEnum):
    """The result of verifying a seal.

    VALID: the report is as it was when it was sealed. INVALID: it was changed, or sealed with another secret. ABSENT: it has no
    seal.
    """

    VALID = "valid"
    INVALID = "invalid"
    ABSENT = "absent"


def verify_seal(report: "Data", /, *, secrets: Iterable[bytes]) -> Seal:
    """Whether a report has a seal of one of the secrets, and is as it was when it was sealed.

    A seal covers the whole body, with the report text and the original in it, and the fields of the outer header block that are
    shown to a reader. It does not cover what servers change in transit: the folding of header fields, CRLF or LF line ends,
    empty lines at the very end, and fields that they add to the outer block.

    Each secret has at least 16 bytes. Raises InvalidValue for a shorter one and if there is none, and TypeError.
    """
    keys = known_secrets(secrets)
    if not keys:
        raise InvalidValue("secrets", "must not be empty: a seal is verified by a secret")
    return seal_of(in_place(report, "a report"), keys)


def seal_of(data: "Buffer", secrets: tuple[bytes, ...], /) -> Seal:
    """Verify the seal of a report with secrets that `known_secrets` has checked. Without a secret, a seal is INVALID."""
    spans = scan_message_spans(data, _SEAL_FIELD).fields
    if not spans:
        return Seal.ABSENT
    fields = [_SEAL.fullmatch(unfold(data[start:end].partition(b":")[2])) for start, end in spans]
    seals = [decoded(field[1]) for field in fields if field is not None]
    if not seals or not secrets:
        return Seal.INVALID
    content = _sealed_content(data)
    expected = [keyed(secret, b"report", *content) for secret in secrets]
    valid = any(hmac.compare_digest(digest, seal) for digest in expected for seal in seals)
    return Seal.VALID if valid else Seal.INVALID


def seal_field(data: "Buffer", secret: bytes, /) -> bytes:
    """The header field that seals a report, with its line end. It goes before everything else."""
    return b"%b: v=2; s=%b\r\n" % (names.SEAL.encode(), encoded(keyed(secret, b"report", *_sealed_content(data))))


def _sealed_content(data: "Buffer") -> tuple[bytes, bytes]:
    """The digest of a report, and its format instead of its marker, whose name changes when a report leaves the transport."""
    fields = scan_message(data, OUTER).fields
    return digest_of(data), str(marked(fields)[0]).encode("ascii")


def digest_of(data: "Buffer", /) -> bytes:
    """The digest of the content that a seal or a stamp covers."""
    return sealed_digest(data)


def known_secrets(secrets: Iterable[bytes], /) -> tuple[bytes, ...]:
    """The secrets as a tuple. Raises InvalidValue, which never shows one, unless each has at least 16 bytes."""
    given: object = secrets  # a single secret is iterable as well, as integers
    if isinstance(given, (bytes, str)) or not isinstance(given, Iterable):
        raise wrong_type("secrets", given, "a collection of bytes")
    known = tuple(secrets)
    for secret in known:
        if not isinstance(secret, bytes):
            raise wrong_type("secrets", secret, "bytes each")
        if len(secret) < SECRET_MINIMUM:
            size = f"{len(secret)} byte{'' if len(secret) == 1 else 's'}"
            raise InvalidValue("secrets", f"a secret has {size}; at least {SECRET_MINIMUM} are needed")
    return known


def keyed(secret: bytes, purpose: bytes, /, *content: bytes) -> bytes:
    """HMAC-SHA-256 over a purpose and pieces of content, each with its size before it: 32 bytes."""
    return hmac.digest(secret, b"".join(_sized((b"exjournal", purpose, *content))), "sha256")


def _sized(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield b"%d:" % len(piece)
        yield piece


def encoded(digest: bytes, /) -> bytes:
    """A digest as text for a header field: base64 for URLs (RFC 4648 section 5), without padding."""
    return binascii.b2a_base64(digest, newline=False).translate(_FOR_URLS).rstrip(b"=")


def decoded(text: bytes, /) -> bytes:
    """The digest in such a text. The caller has checked its alphabet."""
    return binascii.a2b_base64(text.translate(_FROM_URLS) + b"=" * (-len(text) % 4))
