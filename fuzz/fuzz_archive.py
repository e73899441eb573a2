"""Any file can be read as an archive: its items come in order, nothing is raised, and each source finds its bytes again.

The time to read is limited by the size of the file: a second for 100 KB that unpack to at most ten times as much.

Run it as `python fuzz/fuzz_archive.py -max_total_time=60`; arguments go to libFuzzer.
"""

import bz2
import gzip
import io
import json
import lzma
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import process_time

import atheris

with atheris.instrument_imports(include=["exjournal"]):
    from exjournal import (
        ArchivedMessage,
        ArchivedReport,
        Defect,
        MboxVariant,
        ParseError,
        Source,
        Unreadable,
        read_archive,
        read_source,
    )
    from exjournal.archives.walk import locate, read_place

import clock
import seeds

# Seconds, and bytes of a file that may take them; the instrumented code is several times slower than it is by itself.
_SECONDS = 1.0
_SIZE = 100_000
_SLOWER = 5
_VARIANTS = (None, *MboxVariant)
_FROM = b"From ann@example.com Thu Jan  1 00:00:00 2026\n"
_FOLDER = tempfile.TemporaryDirectory(prefix="exjournal-fuzz-")  # for as long as the fuzzer runs
_PATH = Path(_FOLDER.name, "archive")


def test_one_input(data: bytes) -> None:
    """Check the invariant of the reader; the first byte chooses how mailbox files were written."""
    variant = _VARIANTS[data[0] % len(_VARIANTS)] if data else None
    _PATH.write_bytes(data[1:])
    _check_time(len(data))
    before: Source | None = None
    items = list(read_archive(_PATH, mbox=variant, undeliverable=bool(data[:1] > b"\x80")))
    for item in items:
        assert item.source != before
        before = item.source
        assert all(isinstance(defect, Defect) for defect in item.defects)
        assert Source.from_dict(json.loads(json.dumps(item.source.to_dict()))) == item.source
        if isinstance(item, Unreadable):
            assert isinstance(item.error, ParseError | OSError)
        else:
            assert isinstance(item, ArchivedReport | ArchivedMessage)
        if item.octets is not None:
            _check_again(item.source, item.octets)
    _check_lazily(variant)
    if variant is None:
        _check_mailbox(data[1:])


def _check_time(size: int) -> None:
    """Check that no number in a header drives a loop: only the bytes that are present take time."""
    begun = process_time()
    for place in locate([_PATH], max_ratio=10, floor=10 * _SIZE):
        with suppress(ParseError, OSError):
            read_place(place, max_ratio=10, floor=10 * _SIZE)
    took = process_time() - begun
    assert took < _SECONDS * _SLOWER * max(size / _SIZE, 1), took


def _check_again(source: Source, octets: bytes) -> None:
    """Check that the bytes are found again; damage after them may be reported instead."""
    with suppress(ParseError, OSError):
        assert read_source(source) == octets


def _check_lazily(variant: MboxVariant | None) -> None:
    """Check that the places are the same with and without the bytes in memory, and with a small limit."""
    at_hand = list(locate([_PATH], mbox=variant))
    lazily = list(locate([_PATH], mbox=variant, lazily=True))
    assert [place.source for place in at_hand] == [place.source for place in lazily]
    for one, other in zip(at_hand, lazily, strict=True):
        if one.error is None:
            assert read_place(one) == read_place(other)
    assert [place.source for place in locate([_PATH], mbox=variant, limit=100)][:1] == [
        place.source for place in at_hand
    ][:1]


def _check_mailbox(message: bytes) -> None:
    """Check that a quoted message comes back from a mailbox file, and does not hide the one after it."""
    quoted = b"".join(
        b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in message.splitlines(keepends=True)
    )
    if b"\r" in message or not message.endswith(b"\n"):
        return
    _PATH.write_bytes((_FROM + quoted + b"\n") * 2)
    found = [item.octets for item in read_archive(_PATH, mbox=MboxVariant.MBOXRD)]
    assert found == [message, message], found


def _archives() -> Iterator[bytes]:
    """Archives of every kind, of reports and bounces, and archives of those."""
    files = [report for report in seeds.reports() if len(report) < 3000][:6] + list(seeds.bounces())[:2]
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for number, content in enumerate(files[:2]):
            member = tarfile.TarInfo("x" * 99 * number + ".eml")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    box = b"".join(_FROM + content + b"\n" for content in files[2:5])
    yield from files
    yield from (box, tar.getvalue())
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w", method) as archive:
            for name, content in (("a.eml", files[0]), ("b", box), ("c.tar", tar.getvalue())):
                archive.writestr(zipfile.ZipInfo(name), content, method)
        yield zipped.getvalue()
    yield from _odd_archives(files[0], tar.getvalue())
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        yield from (pack(box), pack(tar.getvalue()), pack(files[0]))


def _odd_archives(message: bytes, archive: bytes) -> Iterator[bytes]:
    """Joined archives, links, sparse members and pax headers, for the fuzzer to break."""
    yield archive + archive
    odd = io.BytesIO()
    with tarfile.open(fileobj=odd, mode="w", format=tarfile.PAX_FORMAT) as writer:
        for records in (
            {"GNU.sparse.map": "0,1,600,1", "GNU.sparse.size": "9000", "comment": "x"},
            {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "512"},
            {"size": "2", "path": "b.eml"},
        ):
            member = tarfile.TarInfo("a.eml")
            member.size, member.pax_headers = 2, records
            writer.addfile(member, io.BytesIO(b"0\n"))
        for kind in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.GNUTYPE_SPARSE, tarfile.DIRTYPE, b"Z"):
            member = tarfile.TarInfo("l.eml")
            member.type, member.linkname = kind, "a.eml"
            writer.addfile(member)
    yield odd.getvalue()
    joined = io.BytesIO()
    with zipfile.ZipFile(joined, "w") as writer:
        link = zipfile.ZipInfo("l.eml")
        link.external_attr = 0o120777 << 16
        writer.writestr(link, "a.eml")
        with writer.open("a.eml", "w", force_zip64=True) as file:
            file.write(message)
    yield joined.getvalue() * 2
    yield b"MZ" + joined.getvalue() + b"rest"


def main() -> None:
    """Fuzz, starting from archives of the messages of the tests."""
    with seeds.folder(bytes([number % 256]) + archive for number, archive in enumerate(_archives())) as folder:
        arguments = seeds.arguments(sys.argv, folder)
        atheris.Setup(arguments, test_one_input, custom_mutator=clock.repeated)
        atheris.Fuzz()


if __name__ == "__main__":
    with _FOLDER:
        main()
