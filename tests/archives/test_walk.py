"""Walking trees and archives: every message once, in order, byte for byte, and every error in its place."""

import bz2
import contextlib
import gc
import gzip
import io
import itertools
import json
import lzma
import mailbox
import math
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_mbox import ended, from_any, mails, mboxo, mboxrd

from exjournal import DefectCode, MboxVariant, ParseError, Source
from exjournal.archives import zip_files
from exjournal.archives.walk import Located, Meter, in_batches, locate, read_place, read_source
from strategies import HEAVY

posix = pytest.mark.skipif(os.name != "posix", reason="needs files as POSIX has them")

FROM = b"From ann@example.com Thu Jan  1 00:00:00 2026\n"
MESSAGE = b"Subject: Hello\r\n\r\nHi.\r\n"
Content = bytes | DefectCode | type[OSError]
Pack = Callable[[bytes], bytes]
PACKS: list[Pack] = [gzip.compress, bz2.compress, lzma.compress]
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def message(number: int) -> bytes:
    """One of many messages."""
    return b"Subject: %d\r\n\r\nHi.\r\n" % number


def mbox(*messages: bytes) -> bytes:
    """A mailbox file."""
    return b"".join(
        FROM + one + b"\r\n" * one.endswith(b"\r\n") + b"\n" * (not one.endswith(b"\r\n")) for one in messages
    )


def tar(*members: tuple[str, bytes] | tarfile.TarInfo, format: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for one in members:
            if isinstance(one, tarfile.TarInfo):
                archive.addfile(one)
                continue
            member = tarfile.TarInfo(one[0])
            member.size = len(one[1])
            archive.addfile(member, io.BytesIO(one[1]))
    return file.getvalue()


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def content_of(place: Located) -> Content:
    """The content at a place, or its error."""
    try:
        return read_place(place)[0]
    except ParseError as error:
        return error.code
    except OSError as error:
        return type(error)


def contents(*paths: Path, **options: Any) -> list[Content]:
    """The contents below paths, which are the same read lazily or not, and the same when a source is read again."""
    found = []
    for place, other in zip(locate(paths, **options), locate(paths, **options, lazily=True), strict=True):
        content = content_of(place)
        assert content == content_of(other)
        assert place.source == other.source
        if isinstance(content, bytes):
            assert read_source(place.source) == content
            assert read_source(Source.from_dict(json.loads(json.dumps(place.source.to_dict())))) == content
        found.append(content)
    return found


def names(*paths: Path, **options: Any) -> list[str]:
    """The sources below paths, without the first path."""
    return [str(place.source).removeprefix(str(paths[0])) for place in locate(paths, **options)]


def details(*paths: Path, **options: Any) -> list[str]:
    """The details of all errors below paths."""
    return [place.error.detail for place in locate(paths, **options) if isinstance(place.error, ParseError)]


def put(path: Path, content: bytes = MESSAGE) -> Path:
    """A file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def peak(action: Callable[[], object]) -> int:
    """The most memory in bytes that an action holds at a time."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class TestTrees:
    """Folders and their files."""

    def test_order(self, tmp_path: Path) -> None:
        """Names are sorted by their bytes, folders among files; paths stay in the order of the caller."""
        for name in ("b", "a/2", "a/1", "c.eml", "B", "é", "a.eml/x"):
            put(tmp_path / "one" / name)
        put(tmp_path / "other" / "0")
        assert names(tmp_path / "one") == ["/B", "/a/1", "/a/2", "/a.eml/x", "/b", "/c.eml", "/é"]
        assert [place.source.path for place in locate([tmp_path / "other", str(tmp_path / "one" / "b")])] == [
            str(tmp_path / "other" / "0"),
            str(tmp_path / "one" / "b"),
        ]

    def test_odd_names(self, tmp_path: Path) -> None:
        """A name may be anything that a file system allows."""
        odd = [
            b"-rf",
            b" ",
            b"a\nb",
            b"\xff\xfe",
            b"\xc3\xa9.eml",
            b"x" * 255,
            b"a\\b",
            b"\r",
            b"%s",
            b"a\nb.eml",
            b"*",
        ]
        for number, name in enumerate(odd):
            put(tmp_path / os.fsdecode(name), message(number))
        assert sorted(contents(tmp_path), key=str) == sorted([message(number) for number in range(len(odd))], key=str)

    def test_hidden(self, tmp_path: Path) -> None:
        """Hidden files and folders are passed over, and read if they are named."""
        hidden = put(tmp_path / ".hidden.eml")
        put(tmp_path / ".git" / "a.eml")
        os.mkfifo(tmp_path / ".pipe")
        put(tmp_path / "b.tar", tar(("a/.hidden.eml", MESSAGE), ("a/b.eml", message(1))))
        assert contents(tmp_path) == [message(1)]
        assert contents(hidden, tmp_path / ".git") == [MESSAGE] * 2

    def test_patterns(self, tmp_path: Path) -> None:
        """With patterns only files and members with such names are read, in any letter case, and others are not reported."""
        for number, name in enumerate(["a.TXT", "b.eml", "c.msg", "d/a.txt", "e"]):
            put(tmp_path / name, message(number))
        put(tmp_path / "z.tar", tar(("x.txt", message(7)), ("y.eml", message(8))))
        os.mkfifo(tmp_path / "pipe")
        assert contents(tmp_path, patterns=["*.txt"]) == [message(0), message(3)]
        assert contents(tmp_path, patterns=["*.Txt", "z.*"]) == [message(0), message(3), message(7)]
        assert contents(tmp_path / "e", patterns=["*.txt"]) == [message(4)]

    def test_maildir(self, tmp_path: Path) -> None:
        """A Maildir gives delivered messages, also those in its folders; each file is one message."""
        two = mbox(message(1), message(2))
        for folder in (tmp_path, tmp_path / ".Sent"):
            for name in ("cur", "new", "tmp"):
                put(folder / name / "1:2,S", two)
                put(folder / name / ".hidden")
        put(tmp_path / "dovecot-uidlist", b"3 V1\n")
        put(tmp_path / "old.eml", message(3))
        assert names(tmp_path) == ["/.Sent/cur/1:2,S", "/.Sent/new/1:2,S", "/cur/1:2,S", "/new/1:2,S", "/old.eml"]
        assert contents(tmp_path / "cur") == [two]
        assert contents(tmp_path, patterns=["*.eml"]) == [message(3)]

    def test_no_maildir(self, tmp_path: Path) -> None:
        """Folders that only have the names of those of a Maildir hide no file beside them."""
        put(tmp_path / "cur" / "a", message(1))
        put(tmp_path / "new" / "b", message(2))
        put(tmp_path / "older.mbox", mbox(message(3)))
        assert contents(tmp_path) == [message(1), message(2), message(3)]

    def test_without(self, tmp_path: Path) -> None:
        """Paths that the caller excludes are passed over, also when they are reached by links."""
        for name in ("a.eml", "out/b.eml", "d/out/c.eml", "d/e.eml"):
            put(tmp_path / name)
        (tmp_path / "link").symlink_to("out")
        assert names(tmp_path, without=[tmp_path / "out"]) == ["/a.eml", "/d/e.eml", "/d/out/c.eml"]
        assert names(tmp_path, without=[tmp_path / "d" / ".." / "a.eml", tmp_path / "out"])[0] == "/d/e.eml"

    def test_nothing(self, tmp_path: Path) -> None:
        """Empty folders, no paths, and empty mailboxes give nothing."""
        put(tmp_path / "a.mbox", b"")
        put(tmp_path / "b.mbx.gz", gzip.compress(b""))
        put(tmp_path / "c.tar", tar(("d.mbox", b"")))
        (tmp_path / "d").mkdir()
        assert contents(tmp_path) == []
        assert contents() == []

    def test_missing(self, tmp_path: Path) -> None:
        """A path that leads nowhere is an error."""
        assert (
            contents(tmp_path / "a", tmp_path / "a.eml", Path("a\0b"), Path("a\0b.eml"))[:2] == [FileNotFoundError] * 2
        )

    @pytest.mark.slow
    def test_deep(self, tmp_path: Path) -> None:
        """Folders may be as deep as the system allows."""
        depth = 1500
        before = Path.cwd()
        try:
            os.chdir(tmp_path)
            for _ in range(depth):
                Path("d").mkdir()
                os.chdir("d")
            Path("a.eml").write_bytes(MESSAGE)
            os.chdir(tmp_path)
            assert [content_of(place) for place in locate(["d"])] == [MESSAGE]
        finally:
            os.chdir(before)
            subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)

    @pytest.mark.slow
    def test_many(self, tmp_path: Path) -> None:
        """The names of a folder that do not fit in memory are sorted on the disk."""
        for number in range(3000):
            (tmp_path / f"{number}.eml").touch()
        (tmp_path / "x").mkdir()
        put(tmp_path / "x" / "y")
        expected = [*sorted([f"/{number}.eml" for number in range(3000)]), "/x/y"]
        assert names(tmp_path, room=5000) == expected

    def test_no_room_to_sort(self, tmp_path: Path) -> None:
        """A folder whose names cannot be sorted is an error, and the next one is read."""
        put(tmp_path / "a" / "b.eml")
        with patch.object(tempfile, "tempdir", str(tmp_path / "no")):
            places = list(locate([tmp_path / "a", tmp_path / "a" / "b.eml"], room=0))
        assert [content_of(place) for place in places] == [FileNotFoundError, MESSAGE]


@posix
class TestLinks:
    """Links and special files."""

    def test_links(self, tmp_path: Path) -> None:
        """Links to files and folders are followed, and those that lead nowhere are errors."""
        outside = put(tmp_path / "outside" / "a.eml", message(1)).parent
        inside = tmp_path / "inside"
        inside.mkdir()
        (inside / "a").symlink_to(outside)
        (inside / "b.eml").symlink_to(outside / "a.eml")
        (inside / "c").symlink_to("missing")
        assert contents(inside) == [message(1), message(1), FileNotFoundError]

    def test_loops(self, tmp_path: Path) -> None:
        """With links that lead back each folder is read once."""
        put(tmp_path / "d" / "a.eml", message(1))
        (tmp_path / "d" / "up").symlink_to("..")
        put(tmp_path / "e.eml", message(2))
        assert contents(tmp_path) == [message(1), message(2)]

    def test_link_to_itself(self, tmp_path: Path) -> None:
        """A link to itself is an error, and the files beside it are read."""
        put(tmp_path / "a.eml", message(1))
        (tmp_path / "me").symlink_to("me")
        put(tmp_path / "z.eml", message(2))
        assert contents(tmp_path) == [message(1), OSError, message(2)]

    def test_twice(self, tmp_path: Path) -> None:
        """Folders with two links each to the next one take no exponential time."""
        for number in range(40):
            put(tmp_path / f"{number:02}" / "0.eml")
            for name in ("a", "b"):
                (tmp_path / f"{number:02}" / name).symlink_to(f"../{number + 1:02}")
        assert len(list(itertools.islice(locate([tmp_path / "00"]), 20_000))) < 20_000

    def test_no_files(self, tmp_path: Path) -> None:
        """Pipes, sockets and devices are errors, and reading does not wait for them."""
        os.mkfifo(tmp_path / "a.eml")
        os.mkfifo(tmp_path / "b")
        (tmp_path / "c").symlink_to("b")
        (tmp_path / "d").symlink_to("/dev/zero")
        with socket.socket(socket.AF_UNIX) as bound:
            before = Path.cwd()
            os.chdir(tmp_path)
            bound.bind("e")
            os.chdir(before)
            put(tmp_path / "f.eml")
            assert contents(tmp_path) == [OSError] * 5 + [MESSAGE]
            assert contents(tmp_path / "a.eml", tmp_path / "b", tmp_path / "e", Path("/dev/zero")) == [OSError] * 4

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
    def test_sizes_of_zero(self) -> None:
        """A file with content and a size of zero is read; one that cannot be read is an error."""
        before = Path("/proc/version").read_bytes()
        assert contents(Path("/proc/version")) == [before]
        (place,) = locate(["/proc/self/mem"])
        assert content_of(place) is OSError


class TestChanges:
    """Files that change after their folder was listed."""

    @pytest.mark.parametrize("name", ["a.eml", "a"])
    @pytest.mark.parametrize("change", ["vanish", "folder", "pipe", "shorter", "longer", "loop"])
    def test_changes(self, tmp_path: Path, name: str, change: str) -> None:
        """A file that vanishes or becomes something else is an error; one that changes its size is read in full."""
        path = put(tmp_path / name, message(1))
        put(tmp_path / "z.eml", message(2))
        places = locate([tmp_path])
        place = next(places)
        if change == "shorter":
            path.write_bytes(b"S: x\n")
        elif change == "longer":
            path.write_bytes(message(3) * 99)
        else:
            path.unlink()
        if change == "folder":
            path.mkdir()
        elif change == "pipe":
            os.mkfifo(path)
        elif change == "loop":
            path.symlink_to(name)
        expected: dict[str, Content] = {"vanish": FileNotFoundError, "shorter": b"S: x\n", "longer": message(3) * 99}
        assert content_of(place) == expected.get(change, OSError)
        assert [content_of(place) for place in places] == [message(2)]

    def test_changes_while_read(self, tmp_path: Path) -> None:
        """A file that grows or shrinks after its size was read is read as it is."""
        path = put(tmp_path / "a.eml", message(1))
        fstat = os.fstat
        for content in (message(1) * 9, b"", b"S"):

            def change(file: int, content: bytes = content) -> os.stat_result:
                status = fstat(file)
                path.write_bytes(content)
                return status

            path.write_bytes(message(1))
            with patch.object(os, "fstat", change):
                assert read_place(Located(Source(str(path))))[0] == content

    def test_grows_above_the_limit(self, tmp_path: Path) -> None:
        """A file that grows beyond the limit while it is read is an error."""
        path = put(tmp_path / "a.eml", b"x" * 9)
        fstat = os.fstat

        def grow(file: int) -> os.stat_result:
            status = fstat(file)
            path.write_bytes(b"x" * 99)
            return status

        with patch.object(os, "fstat", grow), pytest.raises(ParseError, match="item-too-large"):
            read_place(Located(Source(str(path))), limit=9)

    def test_folder_vanishes(self, tmp_path: Path) -> None:
        """A folder that vanishes while those before it are read is an error."""
        for name in ("a/1.eml", "b/2.eml", "c/3.eml"):
            put(tmp_path / name)
        places = locate([tmp_path])
        next(places)
        shutil.rmtree(tmp_path / "b")
        assert [content_of(place) for place in places] == [FileNotFoundError, MESSAGE]

    def test_mailbox_is_cut(self, tmp_path: Path) -> None:
        """A message of a mailbox file that was cut short is an error, also when it is read again."""
        path = put(tmp_path / "a", mbox(message(1), message(2)))
        first, second = locate([path], lazily=True)
        path.write_bytes(path.read_bytes()[:-9])
        assert content_of(first) == message(1)
        assert content_of(second) is DefectCode.ARCHIVE_DAMAGED
        with pytest.raises(ParseError, match="archive-damaged"):
            read_source(second.source)

    def test_mailbox_is_written_anew(self, tmp_path: Path) -> None:
        """If a mailbox file was compacted in the meantime, no bytes of other messages are returned."""
        path = put(tmp_path / "a", mbox(message(1), message(2), message(333)))
        _, second, _ = locate([path], lazily=True)
        path.write_bytes(mbox(message(1), message(333), message(4444), message(5555))[5:])
        assert content_of(second) is DefectCode.ARCHIVE_DAMAGED
        with pytest.raises(ParseError, match="archive-damaged"):
            read_source(second.source)

    def test_archive_changes(self, tmp_path: Path) -> None:
        """A member that is gone is an error."""
        directory = tarfile.TarInfo("folder")
        directory.type = tarfile.DIRTYPE
        for write in (tar, zipped):
            path = put(tmp_path / "a", write(("a", message(1)), ("b", message(2))))
            _, source = (place.source for place in locate([path]))
            path.write_bytes(write(("a", message(1))))
            with pytest.raises(ParseError, match="archive-damaged"):
                read_source(source)
        path.write_bytes(tar(directory))
        with pytest.raises(ParseError, match="archive-damaged"):
            read_source(Source(str(path), (("folder", 0),)))


class TestMailboxes:
    """Mailbox files as other programs write them."""

    @pytest.mark.parametrize("before", [b"\n", b"\r\n", b"\n\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
    def test_lead_in(self, tmp_path: Path, before: bytes) -> None:
        """Blank lines or a byte order mark before the first message do not make the file one message."""
        path = put(tmp_path / "a.mbox", before + mbox(message(1), message(2), message(3)))
        assert contents(path) == [message(1), message(2), message(3)]

    def test_limit(self, tmp_path: Path) -> None:
        """A message that is too large is an error in its place."""
        path = put(tmp_path / "a", mbox(message(1), message(2) + b"x" * 5000 + b"\r\n", message(3)))
        for limit in (100, 4000):
            assert contents(path, limit=limit) == [message(1), DefectCode.ITEM_TOO_LARGE, message(3)]

    @pytest.mark.parametrize("pack", PACKS)
    def test_packed(self, tmp_path: Path, pack: Pack) -> None:
        """A mailbox file may be compressed, and consist of several streams."""
        data = mbox(*map(message, range(50)))
        path = put(tmp_path / "a.mbox.x", pack(data[:777]) + pack(data[777:]))
        assert contents(path) == [message(number) for number in range(50)]

    @pytest.mark.parametrize("pack", PACKS)
    def test_packed_and_cut(self, tmp_path: Path, pack: Pack) -> None:
        """In a compressed file that is cut short, the readable messages come first, and then the error."""
        data = mbox(*map(message, range(50)))
        path = put(tmp_path / "a.mbox.x", (pack(data) + pack(data))[:-9])
        found = contents(path)
        assert found[:50] == [message(number) for number in range(50)]
        assert found[-1] is DefectCode.ARCHIVE_DAMAGED

    @pytest.mark.slow
    def test_large_and_cut(self, tmp_path: Path) -> None:
        """The same holds for a longer file: all but the last readable messages are there."""
        chance = random.Random(1)
        texts = [b"S: %d\n\n" % number + chance.randbytes(9000).hex().encode() + b"\n" for number in range(250)]
        data = gzip.compress(mbox(*texts), 1)
        *found, last = [content_of(place) for place in locate([put(tmp_path / "a", data[: len(data) * 9 // 10])])]
        assert found[:100] == texts[:100]
        assert found[:-1] == texts[: len(found) - 1]
        assert last is DefectCode.ARCHIVE_DAMAGED

    @pytest.mark.parametrize("pack", PACKS)
    def test_wrong_checksum(self, tmp_path: Path, pack: Pack) -> None:
        """A wrong checksum at the end is an error after the last message, and costs none."""
        texts = [message(number) for number in range(50)]
        data = bytearray(pack(mbox(*texts)))
        # The last bytes of gzip are the checksum and the size; those of bzip2 a checksum; those of xz a signature.
        data[-8 if pack is gzip.compress else -3] ^= 0x55
        assert contents(put(tmp_path / "a", bytes(data))) == [*texts, DefectCode.ARCHIVE_DAMAGED]

    @pytest.mark.parametrize("check", [lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256])
    def test_wrong_check_of_xz(self, tmp_path: Path, check: int) -> None:
        """The same holds for the check after a block of xz, which the index and the footer follow."""
        texts = [message(number) for number in range(50)]
        data = bytearray(lzma.compress(mbox(*texts), check=check))
        # The footer has 12 bytes, and the index of one block 8 here.
        data[-21] ^= 0x55
        assert contents(put(tmp_path / "a", bytes(data))) == [*texts, DefectCode.ARCHIVE_DAMAGED]

    @pytest.mark.slow
    def test_damaged_gzip(self, tmp_path: Path) -> None:
        """Everything before damage in the middle of a gzip file is read."""
        chance = random.Random(1)
        texts = [b"S: %d\n\n" % number + chance.randbytes(900).hex().encode() + b"\n" for number in range(50)]
        box = mbox(*texts)
        packer = zlib.compressobj(wbits=31)
        # The second half begins with an invalid type of block.
        half = box.index(texts[25]) - len(FROM)
        data = packer.compress(box[:half]) + packer.flush(zlib.Z_SYNC_FLUSH) + b"\7" + bytes(5000)
        found = contents(put(tmp_path / "a", data))
        assert found == [*texts[:25], DefectCode.ARCHIVE_DAMAGED]

    @pytest.mark.parametrize("inner", [bz2.compress, lzma.compress])
    def test_damage_around_compression(self, tmp_path: Path, inner: Pack) -> None:
        """Messages of a compressed file in a damaged one come before the error."""
        texts = [message(number) for number in range(50)]
        data = inner(mbox(*texts))
        packer = zlib.compressobj(wbits=31)
        packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH) + b"\7" + bytes(5000)
        assert contents(put(tmp_path / "a", packed)) == [*texts, DefectCode.ARCHIVE_DAMAGED]

    @pytest.mark.slow
    @pytest.mark.parametrize("pack", PACKS)
    def test_packed_and_damaged(self, tmp_path: Path, pack: Pack) -> None:
        """Damage anywhere, also at the beginning of a stream, is reported."""
        one, other = pack(mbox(*map(message, range(50)))), pack(mbox(*map(message, range(50, 99))))
        everything = [message(number) for number in range(99)]
        for place in [0, 1, 2, 3, 4, 9, 12, len(other) // 2, len(other) - 9]:
            damaged = bytearray(other)
            damaged[place] ^= 0x55
            found = contents(put(tmp_path / "a.mbox.x", one + damaged))
            assert found == everything or DefectCode.ARCHIVE_DAMAGED in found, place

    def test_standard_library(self, tmp_path: Path) -> None:
        """Files that `mailbox.mbox` writes are read as it reads them itself."""
        path = tmp_path / "a"
        texts = [b"S: 1\n\nx\n", b"S: 2\n\nFrom here\n\n\n", b"S: 3\n\nx", b"S: 4\n"]
        with contextlib.closing(mailbox.mbox(path)) as box:
            for text in texts:
                box.add(text)
            box.flush()
            assert contents(path) == [mboxo(text) for text in texts] == [box.get_bytes(key) for key in box.keys()]  # noqa: SIM118
        assert contents(path, mbox=MboxVariant.MBOXO) == [ended(text) for text in texts]

    @pytest.mark.parametrize("variant", MboxVariant)
    def test_variant_by_name(self, tmp_path: Path, variant: MboxVariant) -> None:
        """A variant may be given by its name."""
        path = put(tmp_path / "a", mbox(b"S: 1\n\n>>From a\n>From b\n"))
        by_name: Any = str(variant)
        assert [*map(read_place, locate([path], mbox=by_name))] == [*map(read_place, locate([path], mbox=variant))]

    @HEAVY
    @given(st.lists(mails(), min_size=1, max_size=4), st.none() | st.sampled_from(MboxVariant))
    def test_round_trip(self, mails: list[bytes], variant: MboxVariant | None) -> None:
        """A message comes back unchanged, or a defect reports that it may have changed; only a last line end may be added."""
        write = {
            None: mboxo,
            MboxVariant.MBOXO: mboxo,
            MboxVariant.MBOXRD: mboxrd,
            MboxVariant.MBOXCL: lambda mail: with_length(mail, mboxo),
            MboxVariant.MBOXCL2: lambda mail: with_length(mail, bytes),
            MboxVariant.FROM_ANY: from_any,
        }[variant]
        with tempfile.TemporaryDirectory() as folder:
            path = put(Path(folder, "a"), b"".join(FROM + write(mail) + b"\n" for mail in mails))
            contents(path, mbox=variant)
            for mail, place in zip(mails, locate([path], mbox=variant), strict=True):
                content, defects = read_place(place)
                codes = {defect.code for defect in defects}
                if variant in {MboxVariant.MBOXCL, MboxVariant.MBOXCL2}:
                    content = re.sub(rb"Content-Length: \d+\n", b"", content, count=1)
                assert codes <= {DefectCode.MBOX_QUOTING}
                # A message with a length and without a body gets the blank line after it.
                assert content in {mail, ended(mail), ended(mail) + b"\n"} or codes
                if variant is None:
                    assert content == mboxo(mail)
                if variant in {MboxVariant.MBOXRD, MboxVariant.MBOXCL2, MboxVariant.FROM_ANY}:
                    assert not codes

    QUOTED = b"S: 1\n\n>From a\n>>From b\n"
    BARE = b"S: 1\n\nx\nFrom a\n"
    FIELD = b">From: a\n\n>From a\n>Fromage\n"
    FROM_ANY = "a >From: field: read the file with the variant from-any"

    @pytest.mark.parametrize(
        ("text", "variant", "content", "details"),
        [
            (QUOTED, None, QUOTED, ["lines that begin with >From: 2, left, as the variant is not known"]),
            (
                QUOTED,
                MboxVariant.MBOXO,
                b"S: 1\n\nFrom a\n>>From b\n",
                ["lines that begin with >From: 2, one > removed from each, as in mboxo"],
            ),
            (QUOTED, MboxVariant.MBOXRD, b"S: 1\n\nFrom a\n>From b\n", []),
            (QUOTED, MboxVariant.FROM_ANY, b"S: 1\n\nFrom a\n>From b\n", []),
            (FIELD, MboxVariant.FROM_ANY, b"From: a\n\nFrom a\nFromage\n", []),
            (FIELD, None, FIELD, [FROM_ANY, "lines that begin with >From: 1, left, as the variant is not known"]),
            (FIELD, MboxVariant.MBOXRD, FIELD.replace(b">From a", b"From a"), [FROM_ANY]),
            (FIELD, MboxVariant.MBOXCL2, FIELD, ["Content-Length does not lead to another message", FROM_ANY]),
            (BARE, MboxVariant.FROM_ANY, BARE, ["lines that begin with From: 1"]),
            (b"S: 1\n\n>From: a\n", None, b"S: 1\n\n>From: a\n", []),
            (BARE, None, BARE, ["lines that begin with From: 1"]),
            (BARE, MboxVariant.MBOXRD, BARE, ["lines that begin with From: 1"]),
            (BARE, MboxVariant.MBOXCL2, BARE, ["Content-Length does not lead to another message"]),
        ],
    )
    def test_defects(
        self, tmp_path: Path, text: bytes, variant: MboxVariant | None, content: bytes, details: list[str]
    ) -> None:
        """Possible changes are reported, and nothing else."""
        (place,) = locate([put(tmp_path / "a", mbox(text))], mbox=variant)
        found, defects = read_place(place)
        assert (found, [defect.detail for defect in defects]) == (content, details)

    def test_hostile_length(self, tmp_path: Path) -> None:
        """Without the option for lengths, a length hides no message after it."""
        path = put(tmp_path / "a", mbox(b"S: 1\nContent-Length: 99\n\n", message(2), message(3)))
        assert contents(path)[1:] == [message(2), message(3)]


def with_length(mail: bytes, quoted: Callable[[bytes], bytes]) -> bytes:
    """A message with a Content-Length as the last field of its header, and a quoted body."""
    header, blank, body = re.fullmatch(rb"(?s)((?:S: \d\r?\n?)+)(\r?\n)?(.*)", mail).groups(b"")  # type: ignore[union-attr]
    body = quoted(body) if body else b""
    return ended(header) + b"Content-Length: %d\n" % len(body) + (blank or b"\n") + body


class TestTar:
    """Tar files."""

    @pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    @pytest.mark.parametrize("pack", [bytes, *PACKS])
    def test_members(self, tmp_path: Path, format: int, pack: Pack) -> None:
        """Members come in their order, including those with equal names and with long names."""
        many = ["a.eml", "a.eml", "x/" * 60 + "b", "./-c", "é", "x" * 90 + ".eml"]
        data = tar(*[(name, message(number)) for number, name in enumerate(many)], format=format)
        path = put(tmp_path / "t", pack(data))
        assert contents(path) == [message(number) for number in range(len(many))]
        assert [place.source.members[0][0] for place in locate([path])] == many

    def test_other_members(self, tmp_path: Path) -> None:
        """Folders and links are passed over, special files are errors, and an empty member is read."""
        others = []
        kinds = [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
        for number, kind in enumerate([*kinds, b"Z"]):
            member = tarfile.TarInfo(f"m{number}")
            member.type, member.linkname = kind, "a"
            others.append(member)
        path = put(tmp_path / "t", tar(("a", message(1)), *others, ("z", b""), ("zz", message(2))))
        assert contents(path) == [message(1), OSError, OSError, OSError, OSError, b"", message(2)]

    @pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
    def test_sparse(self, tmp_path: Path) -> None:
        """Sparse members are read with their holes."""
        path = tmp_path / "a.eml"
        with path.open("wb") as file:
            file.write(MESSAGE)
            file.seek(1 << 20)
            file.write(b"end")
        for name in ("gnu", "pax"):
            archive = tmp_path / f"{name}.tar"
            subprocess.run(["tar", "--format", name, "-cSf", archive, "-C", tmp_path, "a.eml"], check=True)
            assert contents(archive) == [path.read_bytes()]

    def test_damaged_header(self, tmp_path: Path) -> None:
        """A damaged header is reported."""
        data = bytearray(tar(*[(f"{number}.eml", message(number)) for number in range(3)], format=tarfile.GNU_FORMAT))
        data[1024] ^= 1
        found = contents(put(tmp_path / "t", bytes(data)))
        assert found[0] == message(0)
        assert DefectCode.ARCHIVE_DAMAGED in found

    @pytest.mark.parametrize(
        "more", [b"garbage" * 999, tar(("b.eml", message(2))), gzip.compress(b"x") * 99], ids=["any", "tar", "gzip"]
    )
    def test_after_the_end(self, tmp_path: Path, more: bytes) -> None:
        """Bytes after the end are reported or read, except zeros."""
        found = contents(put(tmp_path / "t", tar(("a.eml", message(1))) + more))
        assert found in ([message(1), message(2)], [message(1), DefectCode.ARCHIVE_DAMAGED])
        assert contents(put(tmp_path / "u", tar(("a.eml", message(1))) + bytes(99_999))) == [message(1)]

    @pytest.mark.parametrize("size", [512, 520, 1023, 1024, 1025, 1500, 1536, 1600, 3000])
    def test_cut(self, tmp_path: Path, size: int) -> None:
        """A tar file that is cut short anywhere before its end gives the members before that, and an error."""
        data = tar(("a.eml", message(1)), ("b.eml", message(2) * 99), format=tarfile.GNU_FORMAT)
        found = contents(put(tmp_path / "t", data[:size]))
        whole = [one for one in found if one is not DefectCode.ARCHIVE_DAMAGED]
        assert whole == [message(1)] * (size >= 512 + len(message(1)))
        assert found[-1] is DefectCode.ARCHIVE_DAMAGED

    @pytest.mark.slow
    @pytest.mark.parametrize("pack", PACKS)
    def test_packed_and_cut(self, tmp_path: Path, pack: Pack) -> None:
        """A compressed one that is cut short gives the readable members, and an error."""
        chance = random.Random(1)
        texts = [MESSAGE + chance.randbytes(150_000) for _ in range(15)]
        data = pack(tar(*[(f"{number}.eml", text) for number, text in enumerate(texts)]))
        found = contents(put(tmp_path / "t", data[: len(data) * 9 // 10]))
        assert found[:8] == texts[:8]
        assert found[-1] is DefectCode.ARCHIVE_DAMAGED

    @pytest.mark.slow
    def test_large_header(self, tmp_path: Path) -> None:
        """A huge size in a header costs no memory."""
        member = tarfile.TarInfo("x")
        member.type, member.size = tarfile.XHDTYPE, 64 << 20
        data = member.tobuf(tarfile.USTAR_FORMAT) + bytes(member.size) + tar(("a.eml", MESSAGE))
        path = put(tmp_path / "t", gzip.compress(data, 1))
        del data
        assert peak(lambda: list(locate([path]))) < 16 << 20


class TestZip:
    """Zip files."""

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_members(self, tmp_path: Path, method: int) -> None:
        """Members come in the order of the central directory, including those with equal names; folders are passed over."""
        names = ["b", "a/", "a/é.eml", "b", "c", "m"]
        texts = [message(1), b"", message(2), message(3), b"", mbox(message(4))]
        data = zipped(*zip(names, texts, strict=True), method=method)
        expected = [message(1), message(2), message(3), b"", message(4)]
        assert contents(put(tmp_path / "z", data)) == expected
        assert contents(put(tmp_path / "e", zipped())) == []

    def test_zip64(self, tmp_path: Path) -> None:
        """The zip64 form is read as well."""
        path = tmp_path / "z"
        with zipfile.ZipFile(path, "w") as archive, archive.open("a", "w", force_zip64=True) as member:
            member.write(MESSAGE)
        assert contents(path) == [MESSAGE]

    def test_encrypted(self, tmp_path: Path) -> None:
        """An encrypted member is reported, and hides no other."""
        data = bytearray(zipped(("a", message(1)), ("b", message(2))))
        data[data.index(b"PK\1\2") + 8] |= 1
        data[6] |= 1
        assert contents(put(tmp_path / "z", bytes(data))) == [DefectCode.ARCHIVE_ENCRYPTED, message(2)]
        with pytest.raises(ParseError, match="archive-encrypted"):
            read_source(Source(str(tmp_path / "z"), (("a", 0),)))

    def test_damaged_members(self, tmp_path: Path) -> None:
        """An unknown compression method and changed bytes are reported, and the next member is read."""
        data = zipped(("a", message(1)), ("b", message(2)), method=zipfile.ZIP_STORED)
        unknown, changed = bytearray(data), bytearray(data)
        unknown[data.index(b"PK\1\2") + 10] = 99
        changed[data.index(b"Hi")] ^= 1
        assert contents(put(tmp_path / "z", bytes(unknown))) == [DefectCode.ARCHIVE_UNSUPPORTED, message(2)]
        assert details(tmp_path / "z") == ["compressed by method 99; 0, 8, 12 and 14 are read"]
        assert contents(put(tmp_path / "z", bytes(changed))) == [DefectCode.ARCHIVE_DAMAGED, message(2)]
        (place, _) = locate([tmp_path / "z"])
        assert str(place.error).endswith("checksum or size does not match the central directory")

    def test_cut(self, tmp_path: Path) -> None:
        """A zip file that is cut short is reported."""
        data = zipped(("a", message(1)), ("b", message(2)))
        for size in (4, 30, len(data) // 2, len(data) - 1):
            assert contents(put(tmp_path / "z", data[:size])) == [DefectCode.ARCHIVE_DAMAGED]

    def test_before(self, tmp_path: Path) -> None:
        """The members of a self-extracting zip file are read, and its program is an item of its own."""
        members = zipped(("a", message(1)), ("b", message(2)))
        for program in (b"MZ\x90\0" + bytes(900), b"#!/bin/sh\n", b"\x7fELFPK\x05\x06" + bytes(90)):
            path = put(tmp_path / "z.exe", program + members)
            assert contents(path) == [message(1), message(2), DefectCode.ARCHIVE_UNREAD]
            assert details(path)[-1] == f"{len(program)} bytes belong to no member"

    def test_program(self, tmp_path: Path) -> None:
        """A program without a zip file at its end is one item, as is one whose zip file cannot be read."""
        members = zipped(("a", message(1)))
        for data in (
            b"MZ" + bytes(900),
            b"#! text",
            b"MZ" + zipped(),
            b"MZ" + members[30:],
            b"MZ" + members + bytes(70000),
        ):
            assert contents(put(tmp_path / "z.exe", data)) == [data]

    @pytest.mark.slow
    @pytest.mark.parametrize("method", METHODS[1:])
    def test_bomb(self, tmp_path: Path, method: int) -> None:
        """A member that expands too much ends at the limit, and takes no memory beyond it, with every method."""
        path = put(tmp_path / "z", zipped(("a.eml", bytes(64 << 20)), ("b.eml", MESSAGE), method=method))
        found: list[Content] = []
        assert peak(lambda: found.extend(map(content_of, locate([path], limit=1 << 20)))) < 16 << 20
        assert found == [DefectCode.ITEM_TOO_LARGE, MESSAGE]

    @pytest.mark.slow
    def test_bomb_inside(self, tmp_path: Path) -> None:
        """A zip file inside another one does not fill the disk: its copy has a limit as well."""
        swollen = zipped(("a.eml", MESSAGE)) + bytes(32 << 20)
        path = put(tmp_path / "z", zipped(("z", swollen), ("b.eml", MESSAGE)))
        written = 0

        class Counted(io.BytesIO):
            def write(self, data: Any) -> int:
                nonlocal written
                written += len(data)
                return super().write(data)

        with patch.object(tempfile, "TemporaryFile", Counted):
            assert [content_of(place) for place in locate([path], limit=1 << 20)][-1] == MESSAGE
        assert written <= 16 << 20


class TestNesting:
    """Nested archives."""

    def test_nested(self, tmp_path: Path) -> None:
        """A zip file in a tar file in a zip file gives its messages."""
        inner = zipped(("m", mbox(message(1), message(2))), ("e.eml.gz", gzip.compress(message(3))))
        middle = gzip.compress(tar(("i.zip", inner), ("a", message(4))))
        path = put(tmp_path / "z", zipped(("t.tgz", middle), ("b", message(5))))
        assert contents(path) == [message(number) for number in range(1, 6)]
        assert names(path)[1] == f":t.tgz:i.zip:m@{len(mbox(message(1))) + len(FROM)}"

    @pytest.mark.parametrize("wrap", [tar, zipped])
    def test_archives(self, tmp_path: Path, wrap: Callable[..., bytes]) -> None:
        """Five nested archives are read, and no more."""
        data = MESSAGE
        for depth in range(1, 8):
            data = wrap(("a", data))
            assert contents(put(tmp_path / "a", data)) == [MESSAGE if depth <= 5 else DefectCode.NESTING_LIMIT]

    @pytest.mark.parametrize("name", ["a", "a.eml"])
    def test_compression(self, tmp_path: Path, name: str) -> None:
        """So are five layers of compression of any kinds."""
        data = MESSAGE
        for depth in range(1, 8):
            data = PACKS[depth % 3](data)
            assert contents(put(tmp_path / name, data)) == [MESSAGE if depth <= 5 else DefectCode.NESTING_LIMIT]

    def test_named_as_a_message(self, tmp_path: Path) -> None:
        """A file that is named as a message is one, compressed or not, with any first bytes."""
        for data in (mbox(message(1)), zipped(("a", message(1))), tar(("a", message(1))), b""):
            for name, content in (("a.eml", data), ("b.EML", gzip.compress(data)), ("c.eml.gz", gzip.compress(data))):
                assert contents(put(tmp_path / name, content)) == [data]
                assert contents(put(tmp_path / "t.tar", tar((name, content)))) == [data]

    def test_damaged_message(self, tmp_path: Path) -> None:
        """A compressed message that is damaged is an error; one with only the first bytes of such a file is a message."""
        data = gzip.compress(random.Random(1).randbytes(5000))
        for name in ("a.eml", "a"):
            for damaged in (data[:-1], data[:2000], data + b"garbage", data[:20]):
                assert contents(put(tmp_path / name, damaged)) == [DefectCode.ARCHIVE_DAMAGED]
        assert contents(put(tmp_path / "a.eml", b"BZ: no stream\n\n")) == [b"BZ: no stream\n\n"]

    def test_too_large(self, tmp_path: Path) -> None:
        """The limit holds for messages wherever they are."""
        data = MESSAGE + b"x" * 5000
        for name, content in (("a", gzip.compress(data)), ("b", tar(("a", data))), ("c", zipped(("a", data)))):
            assert contents(put(tmp_path / name, content), limit=5000) == [DefectCode.ITEM_TOO_LARGE]
        loose = put(tmp_path / "d.eml", data)
        with pytest.raises(ParseError, match="item-too-large"):
            read_place(Located(Source(str(loose))), limit=5000)


# Names of files and members; a number makes each of them unique.
NAMES = st.sampled_from(["a", "b c", "-x", "n\nl", "é", "\udcff", "x" * 120, "%s", "a.mbox", "\\", "*", "tmp", "cur"])
BODIES = st.sampled_from([b"", b"x\n", b"\0\xff\n", b"x" * 3000 + b"\n", b"a\r\nb\r\n"])
KINDS = st.sampled_from(["mail", "mail", "mbox", "tar", "zip"])


class Tree:
    """A random tree, and the messages that it must give."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw: Callable[[st.SearchStrategy[Any]], Any] = data.draw
        self.expected: list[bytes] = []

    def mail(self) -> bytes:
        """One more message, different from all others."""
        self.expected.append(b"Subject: %d\n\n" % len(self.expected) + self.draw(BODIES))
        return self.expected[-1]

    def content(self, depth: int) -> bytes:
        """A file: a message, a mailbox file or an archive, perhaps compressed."""
        kind = self.draw(KINDS)
        if kind == "mail" or depth > 2:
            data = self.mail()
        elif kind == "mbox":
            data = b"".join(FROM + self.mail() + b"\n" for _ in range(self.draw(st.integers(1, 3))))
        else:
            count = self.draw(st.integers(kind == "tar", 3))
            members = [(f"{self.draw(NAMES)}{number}", self.content(depth + 1)) for number in range(count)]
            if kind == "tar":
                data = tar(*members, format=self.draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])))
            else:
                data = zipped(*[(name.replace("\udcff", "ÿ"), content) for name, content in members])
        pack: Pack = self.draw(st.sampled_from([bytes, *PACKS]))
        return pack(data)

    def folder(self, path: Path, depth: int = 0) -> None:
        """A folder, with folders and files in it."""
        path.mkdir()
        for number in range(self.draw(st.integers(0, 3))):
            below = path / f"{self.draw(NAMES)}{number}"
            kind = self.draw(st.integers(0, 5))
            if kind == 0 and depth < 2:
                self.folder(below, depth + 1)
            elif kind == 1:
                for name in ("cur", "new", "tmp"):
                    (below / name).mkdir(parents=True)
                put(below / "cur" / "1:2,", self.mail())
            else:
                put(below, self.content(0))


@posix
class TestAnyTree:
    """Random trees."""

    @HEAVY
    @given(st.data())
    def test_everything_once(self, data: st.DataObject) -> None:
        """Each message of the tree comes out once, byte for byte, and its source reads it again."""
        tree = Tree(data)
        with tempfile.TemporaryDirectory() as folder:
            top = Path(folder, "top")
            tree.folder(top)
            found: list[Any] = contents(top)
            assert sorted(found) == sorted(tree.expected)
            assert contents(top) == found


DAMAGED = (
    tar(("a.eml", message(1)), ("x" * 120, message(2)), ("m", mbox(message(3), message(4)))),
    tar(("a.eml", message(1)), ("x" * 120, message(2)), format=tarfile.GNU_FORMAT),
    zipped(("a.eml", message(1)), ("b", mbox(message(2))), ("t", tar(("c", message(3))))),
    zipped(("a.eml", message(1)), ("b", message(2)), method=zipfile.ZIP_LZMA),
    zipped(("a.eml", message(1)), ("b", message(2)), method=zipfile.ZIP_BZIP2),
    gzip.compress(mbox(message(1), message(2))),
    bz2.compress(tar(("a", message(1)))),
    lzma.compress(mbox(message(1), message(2))),
    mbox(message(1), message(2)),
    tar(("z", zipped(("a", message(1))))),
)


class TestAnyDamage:
    """Random damage."""

    @given(
        st.sampled_from(DAMAGED),
        st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
        st.none() | st.floats(0, 1),
        st.none() | st.sampled_from(MboxVariant),
    )
    def test_never_raises(
        self, valid: bytes, changes: list[tuple[float, int]], cut: float | None, variant: MboxVariant | None
    ) -> None:
        """Any damage is an item; other items are read again as the same, or refused as damaged."""
        data = bytearray(valid)
        for place, octet in changes:
            data[int(place * len(data))] = octet
        if cut is not None:
            del data[int(cut * len(data)) :]
        with tempfile.TemporaryDirectory() as folder:
            path = put(Path(folder, "a"), bytes(data))
            for place in locate([path], mbox=variant):
                content = content_of(place)
                with contextlib.suppress(ParseError, OSError):
                    again = read_source(place.source)
                    assert again == content or isinstance(content, DefectCode)

    def test_errors_say_nothing(self, tmp_path: Path) -> None:
        """No error holds text of the archive."""
        secret = b"Subject: SECRET\n\nSECRET\n" * 9
        data = tar(("a", secret))
        changed = zipped(("a", secret), method=zipfile.ZIP_STORED).replace(b"SECRET\n\n", b"SECReT\n\n")
        for damaged in (gzip.compress(data)[:-9], data[:600], changed):
            errors = [place.error for place in locate([put(tmp_path / "a", damaged)]) if place.error is not None]
            assert errors
            for error in errors:
                assert "SECRET" not in f"{error}{error!r}"


class TestMeter:
    """The share of the files that was passed."""

    def test_total(self, tmp_path: Path) -> None:
        """The total is the size of the files that would be read, compressed or not, also with broken links among them."""
        put(tmp_path / "a.eml", b"x" * 10)
        put(tmp_path / "b" / "box.gz", b"x" * 20)
        put(tmp_path / "b" / "c.txt", b"x" * 40)
        put(tmp_path / ".hidden", b"x" * 80)
        (tmp_path / "z.eml").symlink_to("missing")
        assert Meter([tmp_path]).total == 70
        assert Meter([tmp_path], patterns=["*.txt"]).total == 40
        assert Meter([tmp_path / "b", tmp_path / "no", "a\0b"]).total == 60
        assert Meter([tmp_path], without=[tmp_path / "b"]).total == 10
        assert Meter([]).share == 1.0

    @pytest.mark.parametrize("lazily", [False, True])
    def test_share(self, tmp_path: Path, *, lazily: bool) -> None:
        """The share grows with every file and inside mailboxes and archives, up to 1; places are the same without a meter."""
        messages = [message(number) + os.urandom(60_000).hex().encode() + b"\r\n" for number in range(30)]
        put(tmp_path / "a.eml", messages[0])
        put(tmp_path / "b", messages[1])
        put(tmp_path / "c.mbox.gz", gzip.compress(mbox(*messages)))
        put(tmp_path / "d.zip", zipped(*[(f"{number}.eml", text) for number, text in enumerate(messages)]))
        put(tmp_path / "e.mbox", mbox(*messages))
        put(tmp_path / "f.zip", zipped(("a", b"x" * 1000))[:-40])
        put(tmp_path / "g.eml", messages[0])
        meter = Meter([tmp_path])
        assert meter.share == 0.0
        shares = []
        places = []
        for place in locate([tmp_path], lazily=lazily, meter=meter):
            shares.append(meter.share)
            places.append(place)
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        # A mailbox is read a block at a time, so some of its messages share a position.
        assert len(set(shares)) > 40
        assert [place.source for place in places] == [place.source for place in locate([tmp_path], lazily=lazily)]

    def test_growing(self, tmp_path: Path) -> None:
        """A file that grows after it was measured does not take the share beyond 1."""
        put(tmp_path / "a.eml", MESSAGE)
        meter = Meter([tmp_path])
        put(tmp_path / "a.eml", MESSAGE * 2)
        assert len(list(locate([tmp_path], meter=meter))) == 1
        assert meter.share == 1.0


class TestRatio:
    """Files that unpack to more than they may."""

    RATIO = DefectCode.ARCHIVE_RATIO
    TEXTS: ClassVar[list[bytes]] = [message(number) + b"x" * 10_000 + b"\r\n" for number in range(200)]

    def archives(self) -> dict[str, bytes]:
        """Two megabytes of messages in a file of some kilobytes."""
        members = [(f"{number}.eml", text) for number, text in enumerate(self.TEXTS)]
        box, archive = mbox(*self.TEXTS), tar(*members)
        swollen = zipped(*members)
        return {
            **{f"mbox {pack.__module__}": pack(box) for pack in PACKS},
            "tar": gzip.compress(archive),
            "zip": swollen,
            "zip in zip": zipped(("a.zip", swollen)),
            "zip in tar in gzip": gzip.compress(tar(("a.zip", swollen), ("b.eml", message(1)))),
            "gzip in gzip": gzip.compress(gzip.compress(box)),
            "streams": b"".join(map(gzip.compress, [mbox(one) for one in self.TEXTS])),
        }

    @pytest.mark.slow
    def test_sum(self, tmp_path: Path) -> None:
        """Messages before the limit are kept, one item takes the place of the rest, and the next file is read."""
        put(tmp_path / "z.eml", message(7))
        for kind, data in self.archives().items():
            put(tmp_path / "a", data)
            whole = contents(tmp_path)
            found = contents(tmp_path, floor=1_000_000, max_ratio=1)
            assert found[-2:] == [self.RATIO, message(7)], kind
            assert 5 < len(found) < 150, kind
            assert found[:-3] == whole[: len(found) - 3], kind
            assert found.count(self.RATIO) == 1, kind
            assert names(tmp_path, floor=1_000_000, max_ratio=1)[-2] == "/a", kind

    @pytest.mark.slow
    def test_ratio(self, tmp_path: Path) -> None:
        """The limit grows with the file and with the ratio that the caller gives, and never falls below the floor."""
        data = gzip.compress(mbox(*self.TEXTS))
        path = put(tmp_path / "a", data)
        ratio = len(mbox(*self.TEXTS)) / len(data)
        assert contents(path, floor=0, max_ratio=ratio / 2)[-1] is self.RATIO
        assert contents(path, floor=0, max_ratio=ratio * 2) == self.TEXTS
        assert contents(path, floor=0, max_ratio=math.inf) == self.TEXTS
        assert contents(path, max_ratio=1) == self.TEXTS
        assert "more than 5000 bytes unpacked" in details(path, floor=5000, max_ratio=1)[0]

    @pytest.mark.slow
    def test_plain(self, tmp_path: Path) -> None:
        """An uncompressed file has no limit."""
        for data in (mbox(*self.TEXTS), tar(*[(f"{number}", text) for number, text in enumerate(self.TEXTS)])):
            assert contents(put(tmp_path / "a", data), floor=0, max_ratio=1) == self.TEXTS

    @pytest.mark.slow
    def test_small_items(self, tmp_path: Path) -> None:
        """Tiny messages, empty members and empty streams count as well, as they take time."""
        for data in (
            gzip.compress((FROM + b"S:\n") * 5000),
            gzip.compress(tar(*[("a", b"")] * 5000)),
            gzip.compress(zipped(*[(str(number), b"") for number in range(5000)])),
            gzip.compress(gzip.compress(b"") * 5000),
        ):
            found = [content_of(one) for one in locate([put(tmp_path / "a", data)], floor=1_000_000, max_ratio=1)]
            assert found[-1] is self.RATIO
            assert len(found) < 500

    @pytest.mark.slow
    def test_message(self, tmp_path: Path) -> None:
        """A compressed message that is a file of its own has the same limit in every process."""
        data = gzip.compress(gzip.compress(MESSAGE) + gzip.compress(b"") * 5000)
        for name in ("a.eml", "a"):
            (place,) = locate([put(tmp_path / name, data)], floor=10_000, max_ratio=1)
            with pytest.raises(ParseError, match="archive-ratio"):
                read_place(place, floor=10_000, max_ratio=1)
            assert contents(tmp_path / name) == [MESSAGE]

    def test_dictionary(self, tmp_path: Path) -> None:
        """A stream of xz that asks for gigabytes of memory is refused without taking it, and does not count as damaged."""
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 64 << 10}]
        data = bytearray(lzma.compress(MESSAGE, filters=filters))
        place = data.index(b"\x21\x01", 12)
        data[place + 2] = 40  # 4 GiB - 1
        size = (data[12] + 1) * 4
        data[12 + size - 4 : 12 + size] = zlib.crc32(data[12 : 12 + size - 4]).to_bytes(4, "little")
        found: list[Content] = []
        path = put(tmp_path / "a", bytes(data))
        assert peak(lambda: found.extend(map(content_of, locate([path])))) < 4 << 20
        assert found == [DefectCode.ARCHIVE_UNSUPPORTED]
        (place,) = locate([path])
        with pytest.raises(ParseError, match=f"more than {128 << 20} bytes of memory"):
            read_place(place)


class TestBatches:
    """Batches of places."""

    def test_numbers(self) -> None:
        """A batch has a maximum number of places, and all places come in order."""
        places = [Located(Source(str(number))) for number in range(450)]
        assert list(map(len, in_batches(places))) == [200, 200, 50]
        assert list(itertools.chain.from_iterable(in_batches(places, count=7))) == places
        assert list(in_batches([])) == []

    def test_content(self) -> None:
        """The size of content counts as well."""
        contents = (b"x" * 60, b"x" * 60, b"", None, b"x" * 200, b"x")
        places = [Located(Source(""), content) for content in contents]
        assert list(map(len, in_batches(places, content=100))) == [2, 3, 1]


class TestMemory:
    """Memory stays flat."""

    TEXTS: ClassVar[list[bytes]] = [message(number) + b"x" * 2000 + b"\r\n" for number in range(7000)]

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["mbox", "mbox.gz", "tar.gz"])
    def test_flat(self, tmp_path: Path, kind: str) -> None:
        """An archive of many messages takes no more memory than one of a few."""
        if kind == "tar.gz":
            data = tar(*[(f"{number}.eml", text) for number, text in enumerate(self.TEXTS)])
        else:
            data = mbox(*self.TEXTS)
        path = put(tmp_path / "a", gzip.compress(data, 1) if kind.endswith("gz") else data)
        size = len(data)
        del data

        def read() -> None:
            for place in locate([path]):
                read_place(place)

        assert peak(read) < 8 << 20 < size

    @pytest.mark.slow
    def test_names(self, tmp_path: Path) -> None:
        """The names of a large folder take bounded memory."""
        for number in range(10_000):
            (tmp_path / f"{number}.eml").touch()
        assert peak(lambda: sum(1 for _ in locate([tmp_path], room=100_000))) < 1 << 20


@pytest.mark.slow
def test_closed_early(tmp_path: Path) -> None:
    """Stopping in the middle of an archive leaves no file open."""
    inner = tar(("m", mbox(message(1), message(2))))
    for number, data in enumerate((inner, zipped(("t", gzip.compress(inner))), gzip.compress(inner))):
        places: Any = locate([put(tmp_path / str(number), data)])
        assert next(places).content == message(1)
        places.close()
    gc.collect()
    opened = Path("/proc/self/fd")
    if opened.is_dir():
        assert not [one for one in opened.iterdir() if str(one.resolve()).startswith(str(tmp_path))]


class TestShorter:
    """Archives that have changed."""

    def test_packed_mailbox(self, tmp_path: Path) -> None:
        """A compressed mailbox file that has become shorter is an error."""
        path = put(tmp_path / "a.gz", gzip.compress(mbox(message(1))))
        with pytest.raises(ParseError) as caught:
            read_source(Source(str(path), (), len(FROM), 10_000))
        assert caught.value.code is DefectCode.ARCHIVE_DAMAGED

    def test_zeros_between(self, tmp_path: Path) -> None:
        """Any number of zeros between compressed streams is ignored."""
        zeros = bytes(10_000)
        data = gzip.compress(message(1)) + zeros + gzip.compress(message(2)) + zeros
        assert contents(put(tmp_path / "a.gz", data)) == [message(1) + message(2)]

    def test_cut_tar(self, tmp_path: Path) -> None:
        """All members before the cut of a compressed tar file can be read, also again."""
        data = gzip.compress(tar(("a.eml", message(1)), ("b.eml", bytes(30_000))), mtime=0, compresslevel=0)
        for size in (700, 15 + 10_240, 15 + 10_241):
            assert contents(put(tmp_path / "a.tgz", data[:size]))[0] == message(1)
            assert contents(tmp_path / "a.tgz")[-1] is DefectCode.ARCHIVE_DAMAGED


def patched(data: bytes, mark: bytes, offset: int, size: int, value: int) -> bytes:
    """A zip file with another number after its last signature of a kind."""
    place = data.rindex(mark) + offset
    return data[:place] + value.to_bytes(size, "little") + data[place + size :]


class TestCentralDirectory:
    """The central directory of a zip file."""

    @pytest.mark.parametrize("before", [b"", b"PK\x03\x04" + bytes(999)])
    def test_larger_form(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
        """The zip64 form is read, also if data was put before the file."""
        monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 5)
        monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
        data = zipped(*[(f"{number}.eml", message(number)) for number in range(9)])
        assert b"PK\x06\x06" in data
        found = contents(put(tmp_path / "z", before + data))
        assert found == [message(number) for number in range(9)] + [DefectCode.ARCHIVE_UNREAD] * bool(before)

    def test_piece_by_piece(self, tmp_path: Path) -> None:
        """A central directory that is longer than a step is read in full."""
        data = zipped(*[(f"{number}.eml", message(number)) for number in range(99)])
        with put(tmp_path / "z", data).open("rb") as file, contextlib.ExitStack() as stack:
            members = zip_files.zip_members(file, stack, 0, zip_files.Budget(), step=70)
            assert [member.open().read() for member in members] == [message(number) for number in range(99)]

    @pytest.mark.parametrize(
        ("mark", "offset", "size", "value", "readable"),
        [
            (b"PK\x05\x06", 8, 4, 0x00030003, 2),
            (b"PK\x05\x06", 12, 4, 10_000, 0),
            (b"PK\x05\x06", 16, 4, 10_000, 0),
            (b"PK\x01\x02", 0, 4, 0, 1),
            (b"PK\x01\x02", 42, 4, 1, 1),
            (b"PK\x01\x02", 20, 4, 5, 1),
            (b"PK\x01\x02", 16, 4, 5, 1),
            (b"PK\x01\x02", 28, 2, 9_999, 1),
            (b"PK\x06\x06", 0, 4, 0, 0),
            (b"PK\x06\x07", 8, 8, 0, 2),
            (b"PK\x06\x07", 0, 4, 0, 0),
        ],
        ids=[
            "count",
            "size",
            "place",
            "entry",
            "member",
            "packed",
            "checksum",
            "name",
            "larger-end",
            "place-of-it",
            "locator",
        ],
    )
    def test_damaged(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        mark: bytes,
        offset: int,
        size: int,
        value: int,
        readable: int,
    ) -> None:
        """Wrong numbers in a central directory are reported; members before that are read."""
        if mark.startswith(b"PK\x06"):
            monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
        data = zipped(("a.eml", message(1)), ("b.eml", message(2) * 50))
        found = [content_of(place) for place in locate([put(tmp_path / "z", patched(data, mark, offset, size, value))])]
        whole = [one for one in found if isinstance(one, bytes)]
        assert whole == [message(1), message(2) * 50][:readable]
        assert (DefectCode.ARCHIVE_DAMAGED in found) == (readable < 2 or size == 4)
