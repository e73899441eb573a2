"""Zip files with wrong central directories, members that overlap, joined archives, and bytes that belong to no member."""

import bz2
import contextlib
import gzip
import io
import lzma
import random
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_walk import MESSAGE, Content, contents, details, mbox, message, names, peak, put, tar, zipped

from exjournal import DefectCode, ParseError
from exjournal.archives import zip_files
from exjournal.archives.streams import new_decompressor
from exjournal.archives.walk import locate
from strategies import HEAVY

DAMAGED = DefectCode.ARCHIVE_DAMAGED
UNREAD = DefectCode.ARCHIVE_UNREAD
LINK = DefectCode.ARCHIVE_LINK
LOCAL, LISTED, END = "<4s5H3L2H", "<4s6H3L5H2L", "<4s4H2LH"


def deflated(content: bytes) -> bytes:
    """Content as deflated data."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def local(name: bytes, content: bytes, packed: bytes | None = None, *, flags: int = 0) -> bytes:
    """A local file header and the file data."""
    data = deflated(content) if packed is None else packed
    crc = zlib.crc32(content)
    numbers = (0, 0, 0) if flags & 8 else (crc, len(data), len(content))
    return struct.pack(LOCAL, b"PK\3\4", 20, flags, 8, 0, 0, *numbers, len(name), 0) + name + data


def entry(
    name: bytes,
    content: bytes,
    place: int,
    *,
    packed: int | None = None,
    size: int | None = None,
    flags: int = 0,
    more: bytes = b"",
    version: int = 20,
    attributes: int = 0,
) -> bytes:
    """A central directory header."""
    packed = len(deflated(content)) if packed is None else packed
    size = len(content) if size is None else size
    fields = (version, 20, flags, 8, 0, 0, zlib.crc32(content), packed, size, len(name), len(more), 0, 0, 0, attributes)
    return struct.pack(LISTED, b"PK\1\2", *fields, place) + name + more


def archive(members: bytes, *entries: bytes, count: int | None = None, comment: bytes = b"") -> bytes:
    """A zip file of members and central directory headers."""
    count = len(entries) if count is None else count
    listed = b"".join(entries)
    end = struct.pack(END, b"PK\5\6", 0, 0, count, count, len(listed), len(members), len(comment))
    return members + listed + end + comment


def found(path: Path, data: bytes) -> list[Content]:
    """The contents of a zip file."""
    return contents(put(path / "z.zip", data))


ONE, TWO, THREE = message(1), message(2), message(3)
A, B, C = local(b"a.eml", ONE), local(b"b.eml", TWO), local(b"c.eml", THREE)


class TestOverlaps:
    """Members that share bytes."""

    @pytest.mark.slow
    def test_one_header(self, tmp_path: Path) -> None:
        """If many entries name one member, the first one is read, and the others are refused."""
        content = b"Subject: x\r\n\r\n" + b"a" * 5_000_000
        data = archive(local(b"a.eml", content), *[entry(b"a.eml", content, 0)] * 50)
        assert found(tmp_path, data) == [content] + [DAMAGED] * 49
        assert details(tmp_path / "z.zip")[0] == "the member overlaps another one"

    def test_into_the_next(self, tmp_path: Path) -> None:
        """A member that reaches into the next one is refused, and the next one is read, in any order of the entries."""
        inner = local(b"b.eml", TWO)
        outer = local(b"a.eml", inner, b"\1" + struct.pack("<HH", len(inner), 0xFFFF - len(inner)) + inner)
        size = len(outer) - len(b"PK\3\4") + 4
        entries = [
            entry(b"a.eml", inner, 0, packed=len(inner) + 5),
            entry(b"b.eml", TWO, size - len(inner)),
        ]
        assert found(tmp_path, archive(outer, *entries)) == [DAMAGED, TWO]
        assert found(tmp_path, archive(outer, *entries[::-1])) == [TWO, DAMAGED]

    def test_into_the_list(self, tmp_path: Path) -> None:
        """So is one that reaches into the central directory."""
        data = archive(A + B, entry(b"a.eml", ONE, 0), entry(b"b.eml", TWO, len(A), packed=len(deflated(TWO)) + 1))
        assert found(tmp_path, data) == [ONE, DAMAGED]

    def test_twice(self, tmp_path: Path) -> None:
        """Each of several members that reach into the next one is refused."""
        many = [entry(b"x", ONE, place, packed=900) for place in (0, len(A), len(A + B))]
        assert found(tmp_path, archive(A + B + C, *many)) == [DAMAGED] * 3

    def test_entry_for_nothing(self, tmp_path: Path) -> None:
        """An entry with an offset in the middle of a member does that member no harm."""
        data = archive(A + B, entry(b"a.eml", ONE, 0), entry(b"x.eml", TWO, 40), entry(b"b.eml", TWO, len(A)))
        assert found(tmp_path, data) == [ONE, DAMAGED, TWO]
        again = archive(
            A + B, entry(b"a.eml", ONE, 0), *[entry(b"x", TWO, 40), entry(b"x", TWO, 44)], entry(b"b.eml", TWO, len(A))
        )
        assert found(tmp_path, again) == [ONE, DAMAGED, DAMAGED, TWO]

    @HEAVY
    @given(st.permutations(range(6)))
    def test_any_order(self, tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
        """A central directory in any order gives every member in its order, and no unread bytes."""
        members = [local(b"%d" % number, message(number)) for number in range(6)]
        places = [sum(map(len, members[:number])) for number in range(6)]
        data = archive(b"".join(members), *[entry(b"%d" % one, message(one), places[one]) for one in order])
        assert found(tmp_path_factory.mktemp("z"), data) == [message(one) for one in order]


class TestUnread:
    """Bytes that belong to no member."""

    def test_between(self, tmp_path: Path) -> None:
        """A member that is not in the central directory is reported by its bytes; zeros between members are padding."""
        place = len(A) + len(B)
        entries = (entry(b"a.eml", ONE, 0), entry(b"c.eml", THREE, place))
        assert found(tmp_path, archive(A + B + C, *entries)) == [ONE, THREE, UNREAD]
        assert details(tmp_path / "z.zip") == [f"{len(B)} bytes belong to no member"]
        (*_, last) = locate([tmp_path / "z.zip"])
        assert getattr(last.error, "offset", None) == len(A)
        assert found(tmp_path, archive(A + bytes(len(B)) + C, *entries)) == [ONE, THREE]

    @pytest.mark.parametrize("after", [b"\0" * 5000, b"x", b"garbage" * 99, b"\0x"])
    def test_after_the_end(self, tmp_path: Path, after: bytes) -> None:
        """Bytes after the end are reported unless they are zeros."""
        data = archive(A, entry(b"a.eml", ONE, 0), comment=b"a comment") + after
        assert found(tmp_path, data) == [ONE] + [UNREAD] * bool(after.strip(b"\0"))

    def test_before_the_list(self, tmp_path: Path) -> None:
        """Bytes before the central directory are reported, also those of a member without an entry."""
        assert found(tmp_path, archive(A + b"x", entry(b"a.eml", ONE, 0))) == [ONE, UNREAD]
        assert found(tmp_path, archive(A + B)) == [UNREAD]
        assert found(tmp_path, archive(B + A + b"x", entry(b"a.eml", ONE, len(B)))) == [ONE, UNREAD]
        assert details(tmp_path / "z.zip") == [f"{len(B) + 1} bytes belong to no member"]

    def test_large(self, tmp_path: Path) -> None:
        """So are those that come after megabytes of zeros."""
        assert found(tmp_path, archive(A + bytes(3 << 20) + b"x", entry(b"a.eml", ONE, 0))) == [ONE, UNREAD]

    @pytest.mark.parametrize("mark", [b"PK\7\x08", b""])
    @pytest.mark.parametrize("form", ["<3L", "<L2Q"])
    def test_sizes_after_the_content(self, tmp_path: Path, mark: bytes, form: str) -> None:
        """The data descriptor after the file data belongs to the member."""
        follow = mark + struct.pack(form, zlib.crc32(ONE), len(deflated(ONE)), len(ONE))
        data = local(b"a.eml", ONE, flags=8) + follow
        assert found(tmp_path, archive(data, entry(b"a.eml", ONE, 0, flags=8))) == [ONE]
        assert found(tmp_path, archive(data, entry(b"a.eml", ONE, 0))) == [ONE, UNREAD]
        wrong = local(b"a.eml", ONE, flags=8) + follow.replace(struct.pack("<L", zlib.crc32(ONE)), b"abcd")
        assert found(tmp_path, archive(wrong, entry(b"a.eml", ONE, 0, flags=8))) == [ONE, UNREAD]

    def test_written_to_a_pipe(self, tmp_path: Path) -> None:
        """A file that the standard library writes to a pipe has no unread bytes."""

        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

            def seek(self, *_: int) -> int:
                raise io.UnsupportedOperation

            def tell(self) -> int:
                raise io.UnsupportedOperation

        pipe = Pipe()
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as writer:
            writer.writestr("a.eml", ONE)
            with writer.open("b.eml", "w", force_zip64=True) as file:
                file.write(TWO)
        assert found(tmp_path, pipe.getvalue()) == [ONE, TWO]


class TestJoined:
    """More than one zip file in a file."""

    def test_joined(self, tmp_path: Path) -> None:
        """Zip files that were joined are read one after the other, also again from their sources."""
        data = [
            zipped(("a.eml", ONE), ("b", mbox(TWO))),
            zipped(("c", tar(("d", THREE)))),
            zipped(("e.eml", message(4))),
        ]
        expected = [ONE, TWO, THREE, message(4)]
        assert found(tmp_path, b"".join(data)) == expected
        assert contents(put(tmp_path / "g.gz", gzip.compress(b"".join(data)))) == expected
        assert contents(put(tmp_path / "n.zip", zipped(("n.zip", b"".join(data)), ("y.eml", MESSAGE)))) == [
            *expected,
            MESSAGE,
        ]
        assert [place.source.members[0][1] for place in locate([tmp_path / "z.zip"])] == [0, 1, 2, 3]

    def test_between(self, tmp_path: Path) -> None:
        """Bytes between them, and a zip file without members, are reported."""
        one, two = zipped(("a.eml", ONE)), zipped(("b.eml", TWO))
        assert found(tmp_path, one + b"x" * 50 + two) == [ONE, TWO, UNREAD]
        assert details(tmp_path / "z.zip") == ["50 bytes belong to no member"]
        assert found(tmp_path, zipped() + two) == [TWO, UNREAD]
        assert found(tmp_path, one + zipped()) == [ONE]

    def test_first_is_damaged(self, tmp_path: Path) -> None:
        """A damaged one does not hide the next one."""
        one = zipped(("a.eml", ONE), ("b.eml", TWO))
        place = one.rindex(b"PK\1\2")
        data = one[:place] + b"PK\0\0" + one[place + 4 :] + zipped(("c.eml", THREE))
        assert found(tmp_path, data) == [ONE, THREE, DAMAGED]

    def test_many(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond the limit the first ones are reported as unread."""
        monkeypatch.setattr(zip_files, "JOINED_ZIP_LIMIT", 3)
        assert found(tmp_path, zipped(("a", ONE)) * 4) == [ONE] * 3 + [UNREAD]

    def test_places_of_the_whole(self, tmp_path: Path) -> None:
        """The offsets may count a program before the members, or not."""
        program = b"PK\3\4 no member" + b"x" * 90
        place = len(program)
        data = archive(program + A, entry(b"a.eml", ONE, place))
        assert found(tmp_path, data) == [ONE, UNREAD]
        assert found(tmp_path, program + archive(A, entry(b"a.eml", ONE, 0))) == [ONE, UNREAD]


class TestDirectories:
    """Wrong central directories."""

    @pytest.mark.parametrize("size", [len(ONE) - 1, len(ONE) + 1, 0, 0xFFFFFFFE])
    def test_sizes(self, tmp_path: Path, size: int) -> None:
        """A size that does not match the content is damage, and no more is unpacked than that."""
        data = archive(A + B, entry(b"a.eml", ONE, 0, size=size), entry(b"b.eml", TWO, len(A)))
        assert found(tmp_path, data) == [DAMAGED, TWO]

    @pytest.mark.slow
    def test_small_size_of_a_bomb(self, tmp_path: Path) -> None:
        """A large member with a small size in the central directory ends at that size."""
        content = bytes(50 << 20)
        data = archive(local(b"a.eml", content), entry(b"a.eml", content, 0, size=100))
        path = put(tmp_path / "z.zip", data)
        assert contents(path, floor=1 << 20, max_ratio=1) == [DAMAGED]

    def test_something_after_the_compressed_content(self, tmp_path: Path) -> None:
        """Bytes after the end of the compressed content are damage of the member."""
        packed = deflated(ONE)
        for more in (b"x", b"x" * 9000):
            data = archive(local(b"a.eml", ONE, packed + more), entry(b"a.eml", ONE, 0, packed=len(packed + more)))
            assert found(tmp_path, data) == [DAMAGED]

    @pytest.mark.parametrize("count", [0, 1, 3, 65535])
    def test_counts(self, tmp_path: Path, count: int) -> None:
        """If the number of members is wrong, all are read, and it is reported."""
        data = archive(A + B, entry(b"a.eml", ONE, 0), entry(b"b.eml", TWO, len(A)), count=count)
        assert found(tmp_path, data) == [ONE, TWO, DAMAGED]

    @pytest.mark.slow
    def test_many_members(self, tmp_path: Path) -> None:
        """Programs without the zip64 form count to 65,535 and begin again: no member is lost."""
        count = 65_540
        members = local(b"a", b"") * count
        size = len(local(b"a", b""))
        data = archive(members, *[entry(b"a", b"", size * number) for number in range(count)], count=4)
        with put(tmp_path / "z.zip", data).open("rb") as file, contextlib.ExitStack() as stack:
            assert sum(1 for _ in zip_files.zip_members(file, stack, 0, zip_files.Budget())) == count

    @pytest.mark.parametrize("place", [1 << 40, 1 << 63, (1 << 64) - 1])
    def test_places(self, tmp_path: Path, place: int) -> None:
        """Offsets of the zip64 form that are beyond the file are damage of their members."""
        more = struct.pack("<HHHHQ", 7, 0, 1, 8, place)
        data = archive(
            A + B, entry(b"a.eml", ONE, 0), entry(b"x", TWO, 0xFFFFFFFF, more=more), entry(b"b.eml", TWO, len(A))
        )
        assert found(tmp_path, data) == [ONE, DAMAGED, TWO]

    @pytest.mark.parametrize("more", [b"", b"\1\0", b"\1\0\4\0abcd", b"\1\0\xff\xff", b"\7\0\0\0" * 900])
    def test_long_numbers_that_are_missing(self, tmp_path: Path, more: bytes) -> None:
        """Missing numbers of the zip64 form are damage."""
        data = archive(A + B, entry(b"a.eml", ONE, 0), entry(b"b.eml", TWO, 0xFFFFFFFF, more=more))
        assert found(tmp_path, data) == [ONE, DAMAGED, UNREAD]

    @pytest.mark.parametrize("number", range(3))
    def test_larger_end(self, tmp_path: Path, number: int) -> None:
        """Wrong numbers in the zip64 end of central directory record are damage."""
        numbers = [1, len(entry(b"a.eml", ONE, 0)), len(A)]
        numbers[number] = (1 << 63) + 5
        count, size, begin = numbers
        listed = entry(b"a.eml", ONE, 0)
        end_64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, begin)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(A + listed), 1)
        end = struct.pack(END, b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        expected = [ONE, DAMAGED] if number == 0 else [DAMAGED]
        assert found(tmp_path, A + listed + end_64 + locator + end) == expected

    def test_place_of_the_larger_end(self, tmp_path: Path) -> None:
        """An impossible offset of the zip64 end of central directory record is damage."""
        listed = entry(b"a.eml", ONE, 0)
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, (1 << 64) - 1, 1)
        end = struct.pack(END, b"PK\5\6", 0, 0, 1, 1, len(listed), len(A), 0)
        assert found(tmp_path, A + listed + locator + end) == [DAMAGED]


class TestMembers:
    """Members that are not regular files."""

    @pytest.mark.parametrize(
        ("version", "content", "expected"),
        [
            (3 << 8, b"../b.eml", [LINK]),
            (19 << 8, b"../b.eml", [LINK]),
            (0, ONE, [ONE]),
            (3 << 8, ONE * 900, [ONE * 900]),
        ],
        ids=["Unix", "macOS", "elsewhere", "large"],
    )
    def test_links(self, tmp_path: Path, version: int, content: bytes, expected: list[Content]) -> None:
        """A symbolic link is reported and not followed; one of another system, or too large for a path, is read."""
        listed = entry(b"a.eml", content, 0, version=version, attributes=0o120777 << 16)
        assert found(tmp_path, archive(local(b"a.eml", content), listed)) == expected

    def test_folders(self, tmp_path: Path) -> None:
        """A member with content and the name of a folder is read."""
        data = archive(
            local(b"d/", b"") + local(b"e/", ONE), entry(b"d/", b"", 0), entry(b"e/", ONE, len(local(b"d/", b"")))
        )
        assert found(tmp_path, data) == [ONE]

    def test_names(self, tmp_path: Path) -> None:
        """Names are in the character set that their flags declare."""
        members = [(b"\x82.eml", 0), ("é.eml".encode(), 0x800)]
        data, entries = b"", []
        for name, flags in members:
            entries.append(entry(name, ONE, len(data), flags=flags))
            data += local(name, ONE, flags=flags)
        assert found(tmp_path, archive(data, *entries)) == [ONE, ONE]
        assert names(tmp_path / "z.zip") == [":é.eml", ":é.eml"]

    def test_hidden(self, tmp_path: Path) -> None:
        """Hidden members are passed over, and do not count as unread bytes."""
        assert found(tmp_path, zipped((".a", ONE), ("b.eml", TWO))) == [TWO]


def test_not_a_program() -> None:
    """After the check of a file that is not a zip file its position is unchanged."""
    file = io.BufferedReader(io.BytesIO(b"MZ" * 100))  # type: ignore[arg-type]
    assert not zip_files.is_self_extracting(file)
    assert file.read(2) == b"MZ"


class TestMethods:
    """Members compressed with bzip2 and LZMA."""

    METHODS = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)

    @pytest.mark.parametrize("method", METHODS)
    def test_wrong_checksum(self, tmp_path: Path, method: int) -> None:
        """A mailbox file in a member with a wrong checksum gives every message before the error."""
        texts = [message(number) for number in range(50)]
        data = zipped(("m", mbox(*texts)), method=method)
        crc = struct.pack("<L", zlib.crc32(mbox(*texts)))
        data = data.replace(crc, bytes(4))
        assert found(tmp_path, data) == [*texts, DAMAGED]
        assert details(tmp_path / "z.zip") == ["checksum or size does not match the central directory"]

    @pytest.mark.slow
    @pytest.mark.parametrize("method", METHODS)
    def test_ratio(self, tmp_path: Path, method: int) -> None:
        """The bytes that members unpack to are taken off the budget of the file, with every method."""
        path = put(tmp_path / "z.zip", zipped(*[(f"{number}", bytes(600_000)) for number in range(9)], method=method))
        assert contents(path, floor=2_000_000, max_ratio=1) == [bytes(600_000)] * 3 + [DefectCode.ARCHIVE_RATIO]

    @pytest.mark.parametrize("method", METHODS)
    def test_data_after_the_content(self, tmp_path: Path, method: int) -> None:
        """Bytes after the compressed content are damage of the member."""
        packed = compressed(ONE, method)
        for more in (b"x", b"x" * 9000):
            assert found(tmp_path, one_member(ONE, packed + more, method, flags=2)) == [DAMAGED]
            assert details(tmp_path / "z.zip") == ["data after the end of the compressed content"]
        for more in (b"x" * 20, b"x" * 9000):
            assert found(tmp_path, one_member(ONE, packed + more, method)) == [DAMAGED]

    @pytest.mark.slow
    @pytest.mark.parametrize("method", METHODS)
    def test_cut(self, tmp_path: Path, method: int) -> None:
        """Compressed content that ends early gives the messages before its end."""
        chance = random.Random(1)
        texts = [b"S: %d\n\n" % number + chance.randbytes(900).hex().encode() + b"\n" for number in range(50)]
        packed = compressed(mbox(*texts), method)
        packed = packed[: len(packed) * 3 // 4]
        *whole, last = found(tmp_path, one_member(mbox(*texts), packed, method))
        assert details(tmp_path / "z.zip") == ["the compressed data ends early"]
        assert last is DAMAGED
        # bzip2 compresses all of it as one block.
        assert whole[:30] == ([] if method == zipfile.ZIP_BZIP2 else texts[:30])

    @pytest.mark.parametrize("content", [b"", ONE, ONE * 50_000], ids=["empty", "small", "large"])
    def test_without_an_end_marker(self, tmp_path: Path, content: bytes) -> None:
        """LZMA without an end marker ends with the size in the central directory."""
        packed = compressed(content, zipfile.ZIP_LZMA)
        properties, stream = packed[4:9], packed[9:]
        alone = lzma.compress(content, lzma.FORMAT_ALONE)
        assert alone[:5] == properties
        assert alone[13:] == stream
        # Without the marker the encoder would have ended some bytes earlier; they are not needed to decode the content.
        for flags in (0, 2):
            data = one_member(content, packed, zipfile.ZIP_LZMA, flags=flags)
            assert found(tmp_path, data) == [content]

    @pytest.mark.parametrize("flags", [0, 2])
    def test_size_of_lzma(self, tmp_path: Path, flags: int) -> None:
        """LZMA content that is longer than the central directory says is damage, with an end marker and without."""
        packed = compressed(ONE + TWO * 50 + THREE * 50, zipfile.ZIP_LZMA)
        assert found(tmp_path, one_member(ONE, packed, zipfile.ZIP_LZMA, flags=flags)) == [DAMAGED]

    @pytest.mark.parametrize(
        ("header", "code"),
        [
            (b"", DAMAGED),
            (struct.pack("<HHBL", 0, 4, 93, 1 << 16), DAMAGED),
            (struct.pack("<HHBL", 0, 5, 225, 1 << 16), DAMAGED),
            (struct.pack("<HHBL", 0, 5, 224, 1 << 16), DAMAGED),
        ],
        ids=["none", "size", "properties", "sums"],
    )
    def test_lzma_header(self, tmp_path: Path, header: bytes, code: DefectCode) -> None:
        """A damaged LZMA header is damage of its member."""
        assert found(tmp_path, one_member(ONE, header, zipfile.ZIP_LZMA)) == [code]

    def test_dictionary(self, tmp_path: Path) -> None:
        """A dictionary beyond the memory limit is refused; one that is only declared larger than the content is not."""
        packed = compressed(ONE, zipfile.ZIP_LZMA)
        packed = packed[:5] + b"\xff" * 4 + packed[9:]
        path = put(tmp_path / "z.zip", one_member(ONE, packed, zipfile.ZIP_LZMA, flags=2))
        assert peak(lambda: list(locate([path]))) < 4 << 20
        assert contents(path) == [ONE]
        path = put(tmp_path / "z.zip", one_member(ONE, packed, zipfile.ZIP_LZMA, flags=2, size=0xFFFFFFFE))
        assert peak(lambda: list(locate([path]))) < 4 << 20
        assert contents(path) == [DefectCode.ARCHIVE_UNSUPPORTED]
        assert details(path) == ["an LZMA dictionary of 4294967294 bytes; at most 134217728 are allowed"]

    @pytest.mark.skipif(shutil.which("zip") is None, reason="needs zip")
    def test_real(self, tmp_path: Path) -> None:
        """Members that the real program compressed with bzip2 are read."""
        put(tmp_path / "a.eml", ONE * 100)
        subprocess.run(["zip", "-q", "-Z", "bzip2", "z.zip", "a.eml"], cwd=tmp_path, check=True)
        with zipfile.ZipFile(tmp_path / "z.zip") as archive:
            assert archive.infolist()[0].compress_type == zipfile.ZIP_BZIP2
        assert contents(tmp_path / "z.zip") == [ONE * 100]


def compressed(content: bytes, method: int) -> bytes:
    """The compressed content of a member as `zipfile` writes it."""
    with zipfile.ZipFile(io.BytesIO(zipped(("a", content), method=method))) as archive:
        (info,) = archive.infolist()
        assert archive.fp is not None
        archive.fp.seek(info.header_offset + 30 + len(info.filename))
        return archive.fp.read(info.compress_size)


def one_member(content: bytes, packed: bytes, method: int, *, flags: int = 0, size: int | None = None) -> bytes:
    """A zip file with one member of some compressed content."""
    size = len(content) if size is None else size
    numbers = (zlib.crc32(content), len(packed), size)
    header = struct.pack(LOCAL, b"PK\3\4", 63, flags, method, 0, 0, *numbers, 1, 0) + b"a" + packed
    listed = struct.pack(LISTED, b"PK\1\2", 63, 63, flags, method, 0, 0, *numbers, 1, 0, 0, 0, 0, 0, 0) + b"a"
    return archive(header, listed)


def test_module_that_is_missing() -> None:
    """A decompressor whose module is missing is an error with a code of its own."""

    def fail() -> NoReturn:
        raise ImportError

    with pytest.raises(ParseError, match="compressed with xz, which this Python was built without") as caught:
        new_decompressor("xz", fail)
    assert caught.value.code is DefectCode.ARCHIVE_UNSUPPORTED


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = sys.modules["_" + sys.argv[1]] = None
from exjournal import read_archive
for item in read_archive(sys.argv[2]):
    print(type(item).__name__, getattr(getattr(item, "error", None), "code", ""), getattr(item.error, "detail", ""), sep="|")
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["zlib", "bz2", "lzma"])
def test_without_a_module(tmp_path: Path, module: str) -> None:
    """An interpreter without a module for compression imports the library, and reports files and members that need it."""
    name = {"zlib": "gzip", "bz2": "bzip2", "lzma": "xz"}[module]
    in_zip = {"zlib": "deflate", "bz2": "bzip2", "lzma": "LZMA"}[module]
    pack = {"zlib": gzip.compress, "bz2": bz2.compress, "lzma": lzma.compress}[module]
    method = {"zlib": zipfile.ZIP_DEFLATED, "bz2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}[module]
    put(tmp_path / "a", pack(ONE))
    put(tmp_path / "b.eml", pack(ONE))
    put(tmp_path / "c.zip", zipped(("a", ONE), method=method))
    done = subprocess.run([sys.executable, "-c", WITHOUT, module, tmp_path], capture_output=True, check=True, text=True)
    expected = "Unreadable|archive-unsupported|compressed with {}, which this Python was built without"
    assert done.stdout.splitlines() == [expected.format(name)] * 2 + [expected.format(in_zip)]
