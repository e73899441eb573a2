"""Tar files with wrong headers, links, sparse members, and more than one archive in a file."""

import gzip
import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_walk import MESSAGE, Content, contents, details, mbox, message, names, peak, put, tar

from exjournal import DefectCode, limits, read_source
from exjournal.archives import tar_files
from exjournal.archives import walk as containers
from exjournal.archives.walk import locate
from strategies import HEAVY

DAMAGED = DefectCode.ARCHIVE_DAMAGED
LINK = DefectCode.ARCHIVE_LINK
END = bytes(1024)


def header(
    name: bytes = b"a.eml",
    size: int | bytes = 0,
    kind: bytes = b"0",
    *,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    prefix: bytes = b"",
    more: bytes = b"",
    at: int = 345,
    signed: bool = False,
) -> bytes:
    """A header block with a right checksum and any content."""
    block = bytearray(512)
    block[: len(name)] = name
    block[124:136] = b"%011o\0" % size if isinstance(size, int) else size.ljust(12, b"\0")
    block[156:157] = kind
    block[157 : 157 + len(link)] = link
    block[257 : 257 + len(magic)] = magic
    block[345 : 345 + len(prefix)] = prefix
    block[at : at + len(more)] = more
    block[148:156] = b" " * 8
    total = sum(one - 256 if signed and one > 127 else one for one in block)
    block[148:156] = b"%06o\0 " % total
    return bytes(block)


def padded(content: bytes) -> bytes:
    """Content padded to the end of a block."""
    return content + bytes(-len(content) % 512)


def member(name: bytes = b"a.eml", content: bytes = MESSAGE, **fields: bytes) -> bytes:
    """A member."""
    return header(name, len(content), **fields) + padded(content)  # type: ignore[arg-type]


def base_256(number: int) -> bytes:
    """A number of a header that is too large for octal digits."""
    return b"\x80" + number.to_bytes(11, "big")


def record(key: bytes, value: bytes) -> bytes:
    """A record of a pax header."""
    size = len(key) + len(value) + 3
    while len(b"%d" % size) + len(key) + len(value) + 3 != size:
        size += 1
    return b"%d %s=%s\n" % (size, key, value)


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    """A pax header."""
    return member(b"pax", b"".join(record(*one) for one in records), kind=kind)


def found(path: Path, data: bytes) -> list[Content]:
    """The contents of a tar file, read in a time that its size justifies."""
    begun = perf_counter()
    result = contents(put(path / "t.tar", data))
    assert perf_counter() - begun < 5
    return result


class TestNumbers:
    """Numbers in headers."""

    @pytest.mark.parametrize(
        "size", [1 << 36, 1 << 62, (1 << 88) - 1, 1 << 20], ids=["64 GB", "2**62", "2**88", "a megabyte"]
    )
    def test_announced_size(self, tmp_path: Path, size: int) -> None:
        """A member with a size beyond the end of the file is damaged, as is the rest of the file."""
        data = member() + header(b"b.eml", base_256(size)) + b"Subject: x\r\n\r\nhi"
        assert found(tmp_path, data) == [MESSAGE, DAMAGED, DAMAGED]
        assert details(tmp_path / "t.tar") == [
            "the member is cut short",
            "the tar file ends inside a member",
        ]

    def test_announced_size_of_a_hidden_member(self, tmp_path: Path) -> None:
        """The same holds for a member that is passed over: the loss of the rest is reported."""
        assert found(tmp_path, member() + header(b".b", base_256(1 << 62)) + END) == [MESSAGE, DAMAGED]

    @pytest.mark.parametrize("size", [b"\xff" * 12, b"-0000000001", b"+7", b"1_0", b"0o7", b"9", b"1 2"])
    def test_no_numbers(self, tmp_path: Path, size: bytes) -> None:
        """A size that is negative, or not a number, ends the file with an error."""
        assert found(tmp_path, member() + header(b"b.eml", size) + END) == [MESSAGE, DAMAGED]

    @pytest.mark.parametrize("size", [b"", b"     ", b"25", b"00000000025 ", b"  25\0x"])
    def test_odd_numbers(self, tmp_path: Path, size: bytes) -> None:
        """Octal digits may have spaces around them, end early, or be missing for zero."""
        content = MESSAGE[:21] if b"25" in size else b""
        assert found(tmp_path, header(size=size) + padded(content) + END) == [content]

    def test_base_256(self, tmp_path: Path) -> None:
        """A size may be written in base 256."""
        assert found(tmp_path, header(size=base_256(len(MESSAGE))) + padded(MESSAGE) + END) == [MESSAGE]

    def test_checksums(self, tmp_path: Path) -> None:
        """Some programs sum signed bytes; any other checksum is damage."""
        good = header("é.eml".encode(), len(MESSAGE), signed=True) + padded(MESSAGE)
        assert found(tmp_path, good + END) == [MESSAGE]
        for wrong in (b"0000000\0", b"x" * 8):
            assert found(tmp_path, member() + good[:148] + wrong + good[156:] + END) == [MESSAGE, DAMAGED]


class TestPax:
    """Pax headers."""

    def test_size(self, tmp_path: Path) -> None:
        """A size in a pax header overrides that of the header after it."""
        data = pax((b"size", b"%d" % len(MESSAGE))) + header(size=0) + padded(MESSAGE) + member(b"b.eml", message(2))
        assert found(tmp_path, data + END) == [MESSAGE, message(2)]

    @pytest.mark.parametrize("size", [b"9" * 19, b"9" * 20, b"9" * 21, b"9" * 9000, b"-1", b"", b"1_0", b" 1"])
    def test_wrong_sizes(self, tmp_path: Path, size: bytes) -> None:
        """A size beyond the end of the file, or one that is not a number, is damage."""
        assert set(found(tmp_path, member() + pax((b"size", size)) + member(b"b.eml") + END)[1:]) == {DAMAGED}

    @pytest.mark.parametrize("kind", [b"x", b"g", b"X", b"L", b"K"])
    def test_large_header(self, tmp_path: Path, kind: bytes) -> None:
        """A header for a name of 2**40 bytes is not read."""
        data = member() + header(b"n", base_256(1 << 40), kind) + END
        assert found(tmp_path, data) == [MESSAGE, DAMAGED]
        assert "more than 1048576 bytes" in details(tmp_path / "t.tar")[0]

    @pytest.mark.parametrize(
        "records",
        [
            b"x",
            b"5 a=b",
            b"9 path=\n",
            b"0 a=b\n",
            b" 6 a=b\n",
            b"6 a:b\n",
            b"99 a=b\n",
            b"7 a=b\n\0",
            b"1" * 30,
            b"6 a=bc",
        ],
    )
    def test_damaged_records(self, tmp_path: Path, records: bytes) -> None:
        """Records that do not follow the pax format are damage."""
        for kind in (b"x", b"g"):
            assert found(tmp_path, member() + member(b"p", records, kind=kind) + member() + END) == [MESSAGE, DAMAGED]

    def test_names(self, tmp_path: Path) -> None:
        """Names come from pax records, from GNU's long names, or from the header and its prefix, which only POSIX has."""
        data = (
            pax((b"path", b"x/long.eml"), (b"comment", b"a=b\nc"))
            + member(b"short")
            + member(b"././@LongLink", b"y/long.eml\0", kind=b"L")
            + member(b"short")
            + member(b"c.eml", prefix=b"d")
            + member(b"e.eml", prefix=b"f", magic=b"ustar  \0")
            + pax((b"comment", b"x"), kind=b"g")
            + member(b"\xff.eml")
        )
        assert found(tmp_path, data + END) == [MESSAGE] * 5
        assert names(tmp_path / "t.tar") == [":x/long.eml", ":y/long.eml", ":d/c.eml", ":e.eml", ":\udcff.eml"]

    @pytest.mark.parametrize("key", [b"size", b"GNU.sparse.realsize"])
    def test_global_size(self, tmp_path: Path, key: bytes) -> None:
        """A global size, which programs interpret in different ways, is refused."""
        data = member() + pax((key, b"512"), kind=b"g") + member(b"b.eml") + END
        assert found(tmp_path, data) == [MESSAGE, DAMAGED]

    def test_order(self, tmp_path: Path) -> None:
        """A global header may come between a header and the member it is for."""
        data = pax((b"path", b"x.eml")) + pax((b"comment", b""), kind=b"g") + member(b"short") + END
        assert found(tmp_path, data) == [MESSAGE]
        assert names(tmp_path / "t.tar") == [":x.eml"]

    @pytest.mark.parametrize("end", [END, b"", b"Subject: x", bytes(100)])
    def test_no_member(self, tmp_path: Path, end: bytes) -> None:
        """An extended header without a member after it is damage."""
        assert found(tmp_path, member() + pax((b"path", b"x")) + end) == [MESSAGE, DAMAGED]

    def test_cut(self, tmp_path: Path) -> None:
        """So is a header that is cut short."""
        assert found(tmp_path, member() + pax((b"path", b"x" * 600))[:1000]) == [MESSAGE, DAMAGED]

    @pytest.mark.slow
    def test_many_headers(self, tmp_path: Path) -> None:
        """Any number of headers may come before a member, and the last value counts."""
        data = pax((b"path", b"no.eml")) * 3000 + pax((b"path", b"yes.eml")) + member() + END
        assert found(tmp_path, data) == [MESSAGE]
        assert names(tmp_path / "t.tar") == [":yes.eml"]


def old_sparse(ranges: list[tuple[int, int]], size: int, content: bytes, *, stored: int | None = None) -> bytes:
    """A member of GNU's sparse type."""

    def fields(some: list[tuple[int, int]]) -> bytes:
        return b"".join(b"%011o\0%011o\0" % one for one in some)

    first, rest = ranges[:4], ranges[4:]
    more = fields(first).ljust(96, b"\0") + bytes([bool(rest)]) + b"%011o\0" % size
    data = header(b"s.eml", len(content) if stored is None else stored, b"S", more=more, at=386, magic=b"ustar  \0")
    while rest:
        some, rest = rest[:21], rest[21:]
        data += fields(some).ljust(504, b"\0") + bytes([bool(rest)]) + bytes(7)
    return data + padded(content)


def pax_sparse(
    version: str, ranges: list[tuple[int, int]], size: int, content: bytes, *, count: bytes | None = None
) -> bytes:
    """The same with the pax records of a version."""
    numbers = [b"%d" % number for one in ranges for number in one]
    if version == "1.0":
        lines = b"".join(line + b"\n" for line in [b"%d" % len(ranges) if count is None else count, *numbers])
        records = [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"%d" % size)]
        return pax(*records, (b"GNU.sparse.name", b"s.eml")) + member(b"GNUSparseFile/s", padded(lines) + content)
    if version == "0.1":
        records = [(b"GNU.sparse.map", b",".join(numbers))]
    else:
        keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
        records = [(keys[number % 2], value) for number, value in enumerate(numbers)]
    return pax((b"GNU.sparse.size", b"%d" % size), *records) + member(b"s.eml", content)


def sparse(version: str, ranges: list[tuple[int, int]], size: int, content: bytes) -> bytes:
    """The same in any version."""
    return old_sparse(ranges, size, content) if version == "S" else pax_sparse(version, ranges, size, content)


VERSIONS = ["S", "0.0", "0.1", "1.0"]


@pytest.mark.parametrize("version", VERSIONS)
class TestSparse:
    """Sparse members."""

    @HEAVY
    @given(st.lists(st.tuples(st.integers(0, 700), st.integers(1, 700)), max_size=40), st.integers(0, 600))
    def test_holes(self, version: str, pieces: list[tuple[int, int]], rest: int) -> None:
        """Holes are zeros, wherever they are."""
        whole, content, ranges = b"", b"", []
        for hole, size in pieces:
            ranges.append((len(whole) + hole, size))
            whole += bytes(hole) + b"x" * size
            content += b"x" * size
        whole += bytes(rest)
        file = io.BufferedReader(io.BytesIO(sparse(version, ranges, len(whole), content) + member(b"z") + END))  # type: ignore[arg-type]
        budget = tar_files.Budget()
        first, second = [
            io.BufferedReader(one.open()).read()  # type: ignore[arg-type]
            for one in tar_files.tar_members(file, OSError, budget)
        ]
        assert (first, second) == (whole, MESSAGE)

    @pytest.mark.parametrize(
        ("ranges", "size", "content"),
        [
            ([(0, 5)], 9, b"1234"),
            ([(0, 5)], 9, b"123456"),
            ([(0, 4), (2, 2)], 9, b"123456"),
            ([(8, 2), (0, 4)], 12, b"123456"),
            ([(0, 6)], 5, b"123456"),
            ([(700, 6)], 6, b"123456"),
        ],
        ids=["short", "long", "overlap", "order", "too short", "outside"],
    )
    def test_wrong_maps(
        self, tmp_path: Path, version: str, ranges: list[tuple[int, int]], size: int, content: bytes
    ) -> None:
        """A map that does not match the content is damage, and the next member is read."""
        data = sparse(version, ranges, size, content) + member(b"z.eml") + END
        assert found(tmp_path, data) == [DAMAGED, MESSAGE]

    def test_huge_hole(self, tmp_path: Path, version: str) -> None:
        """A hole of 8 GB costs no more than the limit of an item, and the next member is read."""
        path = put(tmp_path / "t.tar", sparse(version, [(0, 6)], (1 << 33) - 1, b"x: y\n\n") + member(b"z.eml") + END)
        assert contents(path, limit=1 << 20) == [DefectCode.ITEM_TOO_LARGE, MESSAGE]

    def test_holes_count(self, tmp_path: Path, version: str) -> None:
        """Holes count as unpacked bytes: many of them end at the limit of the file."""
        one = sparse(version, [(0, 6)], 600_000, b"x: y\n\n")
        path = put(tmp_path / "t.tar", one * 9 + member(b"z.eml") + END)
        whole = b"x: y\n\n" + bytes(599_994)
        assert contents(path, floor=2_000_000, max_ratio=1) == [whole] * 3 + [DefectCode.ARCHIVE_RATIO]
        assert contents(path) == [whole] * 9 + [MESSAGE]

    @pytest.mark.slow
    def test_many_ranges(self, tmp_path: Path, version: str) -> None:
        """A map of more ranges than the limit is refused, in little memory, and the next member is read."""
        count = limits.SPARSE_LIMIT + 30
        data = sparse(version, [(number, 0) for number in range(1, count)], count, b"")
        path = put(tmp_path / "t.tar", data + member(b"z.eml") + END)
        assert peak(lambda: list(locate([path]))) < 24 << 20
        assert contents(path)[0] is DAMAGED
        assert contents(path)[1:] in ([MESSAGE], [])


class TestSparseHeaders:
    """Features of one version."""

    @pytest.mark.parametrize(
        "records", [[(b"GNU.sparse.map", b"1,x")], [(b"GNU.sparse.map", b"1,2,3")], [(b"GNU.sparse.offset", b"1")]]
    )
    def test_no_numbers(self, tmp_path: Path, records: list[tuple[bytes, bytes]]) -> None:
        """A map that is not a list of pairs of numbers is damage of its member alone."""
        data = pax((b"GNU.sparse.size", b"9"), *records) + member(b"s.eml") + member(b"z.eml") + END
        assert found(tmp_path, data) == [DAMAGED, MESSAGE]

    @pytest.mark.parametrize("count", [b"2", b"x", b"", b"9" * 19, b"9" * 600, b"-1", b"99999"])
    def test_counts(self, tmp_path: Path, count: bytes) -> None:
        """A wrong number of ranges is damage of its member alone."""
        data = pax_sparse("1.0", [(0, 6)], 6, b"x: y\n\n", count=count) + member(b"z.eml") + END
        assert found(tmp_path, data) == [DAMAGED, MESSAGE]

    @pytest.mark.slow
    def test_too_many_records(self, tmp_path: Path) -> None:
        """Ranges of version 0.0 are counted over all headers of a member."""
        some = pax(*[(b"GNU.sparse.offset", b"0")] * 30_000)
        data = pax((b"GNU.sparse.size", b"9")) + some * 5 + member(b"s.eml") + member(b"z.eml") + END
        assert found(tmp_path, data) == [DAMAGED, MESSAGE]

    def test_cut(self, tmp_path: Path) -> None:
        """A map that is cut short is damage."""
        data = old_sparse([(number, 1) for number in range(30)], 30, b"x" * 30)
        assert found(tmp_path, member() + data[:700]) == [MESSAGE, DAMAGED]
        data = pax_sparse("1.0", [(number, 1) for number in range(300)], 300, b"x" * 300)
        assert set(found(tmp_path, member() + data[:2100])[1:]) == {DAMAGED}


class TestOtherMembers:
    """Members that are not regular files."""

    @pytest.mark.parametrize("kind", [b"0", b"\0", b"7", b"Z", b"V", b"A"])
    def test_content(self, tmp_path: Path, kind: bytes) -> None:
        """A member of an unknown type is read if it has content."""
        assert found(tmp_path, member(kind=kind) + END) == [MESSAGE]

    @pytest.mark.parametrize("kind", [b"3", b"4", b"6", b"Z", b"V"])
    def test_no_content(self, tmp_path: Path, kind: bytes) -> None:
        """Devices, pipes and unknown types without content are reported."""
        assert found(tmp_path, header(kind=kind) + END) == [OSError]

    def test_folders(self, tmp_path: Path) -> None:
        """Folders, and GNU's lists of their names, are passed over; in v7, so are empty members with a slash at the end."""
        data = (
            header(b"d/", 0, b"5")
            + header(b"d", 512, b"5")
            + member(b"d", b"Yfile\0\0", kind=b"D")
            + header(b"v7/", 0, b"\0")
        )
        assert found(tmp_path, data + member(b"w7/", kind=b"\0") + END) == [MESSAGE]
        for place in (512, 1024, len(data) + 1024, 1 << 20):
            with pytest.raises(ValueError, match="archive-damaged"):
                read_source(containers.Source(str(tmp_path / "t.tar"), (("d", place),)))


class TestLinks:
    """Hard and symbolic links."""

    @pytest.mark.parametrize(
        ("kind", "name", "target", "expected"),
        [
            (b"1", b"z.eml", b"d/a.eml", []),
            (b"1", b"z.eml", b"./d//a.eml", []),
            (b"1", b"z.eml", b"/d/a.eml", []),
            (b"1", b"z.eml", b"d/.hidden.eml", [LINK]),
            (b"1", b"z.eml", b"later.eml", [LINK]),
            (b"1", b"z.eml", b"", [LINK]),
            (b"1", b".z.eml", b"d/.hidden.eml", []),
            (b"2", b"d/z.eml", b"a.eml", []),
            (b"2", b"e/z.eml", b"../d/a.eml", []),
            (b"2", b"z", b"d", []),
            (b"2", b"z.eml", b"a.eml", [LINK]),
            (b"2", b"z.eml", b"/d/a.eml", [LINK]),
            (b"2", b"z.eml", b"../d/a.eml", [LINK]),
            (b"2", b"d/z.eml", b".hidden.eml", [LINK]),
            (b"2", b"z.eml", b"", [LINK]),
        ],
    )
    def test_links(self, tmp_path: Path, kind: bytes, name: bytes, target: bytes, expected: list[Content]) -> None:
        """A link to a member that was read, or to a folder, is passed over; any other one is an item, and never followed."""
        data = (
            header(b"d/", 0, b"5")
            + member(b"d/a.eml")
            + member(b"d/.hidden.eml", message(2))
            + header(name, 0, kind, link=target)
            + member(b"later.eml", message(3))
        )
        assert found(tmp_path, data + END) == [MESSAGE, *expected, message(3)]

    def test_long_targets(self, tmp_path: Path) -> None:
        """A link may lead to a long name, which is in a header of its own."""
        name = b"x" * 200
        data = pax((b"path", name)) + member() + pax((b"linkpath", name)) + header(b"y", 0, b"1")
        data += member(b"././@LongLink", name + b"\0", kind=b"K") + header(b"z", 0, b"1")
        assert found(tmp_path, data + END) == [MESSAGE]

    def test_by_name(self, tmp_path: Path) -> None:
        """A link to a member with a name that is not wanted is an item."""
        path = put(tmp_path / "t.tar", member(b"a.txt") + header(b"b.eml", 0, b"1", link=b"a.txt") + END)
        assert contents(path, patterns=["*.eml"]) == [LINK]
        assert details(path, patterns=["*.eml"]) == ["a hard link to a member that was not read"]
        assert contents(path) == [MESSAGE]

    def test_many_members(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """With more members than kept names, a link to a later one is reported."""
        monkeypatch.setattr(containers, "LINK_TARGET_LIMIT", 1)
        data = member(b"a") + member(b"b") + header(b"c", 0, b"1", link=b"a") + header(b"d", 0, b"1", link=b"b") + END
        assert found(tmp_path, data) == [MESSAGE, MESSAGE, LINK]

    @pytest.mark.skipif(shutil.which("tar") is None, reason="needs tar")
    @pytest.mark.parametrize("format", ["v7", "ustar", "gnu", "pax"])
    def test_real(self, tmp_path: Path, format: str) -> None:
        """Archives of the real program are read with their links."""
        tree = tmp_path / "tree"
        put(tree / ("d" * 80) / "a.eml")
        (tree / ("d" * 80) / "b.eml").hardlink_to(tree / ("d" * 80) / "a.eml")
        (tree / "z.eml").symlink_to("/etc/passwd")
        path = tmp_path / "t.tar"
        subprocess.run(["tar", f"--format={format}", "--sort=name", "-cf", path, "-C", tree, "."], check=True)
        if format == "v7":
            assert contents(path) == [path.read_bytes()]  # nothing in it says that it is a tar file
        else:
            assert contents(path) == [MESSAGE, LINK]


class TestJoined:
    """More than one archive in a file."""

    @pytest.mark.parametrize("between", [b"", bytes(512), bytes(100_000 // 512 * 512)])
    def test_joined(self, tmp_path: Path, between: bytes) -> None:
        """Archives that were joined are read one after the other, also again from their sources."""
        one, two = tar(("a.eml", message(1))), tar(("b.eml", message(2)), ("c", mbox(message(3))))
        assert found(tmp_path, one + between + two) == [message(1), message(2), message(3)]
        assert contents(put(tmp_path / "g", gzip.compress(one) + gzip.compress(two))) == [
            message(1),
            message(2),
            message(3),
        ]

    @pytest.mark.parametrize(
        "rest", [b"x", b"x" * 512, b"\0" * 511 + b"x", bytes(512) + b"x" * 600, bytes(9000) + b"x"]
    )
    def test_something_after_the_end(self, tmp_path: Path, rest: bytes) -> None:
        """Other data after the end is reported."""
        assert found(tmp_path, member() + END + rest) == [MESSAGE, DAMAGED]

    @pytest.mark.parametrize("end", [bytes(512), bytes(513), bytes(1023), bytes(5000)])
    def test_ends(self, tmp_path: Path, end: bytes) -> None:
        """One block of zeros is an end, and further zeros belong to it."""
        assert found(tmp_path, member() + end) == [MESSAGE]
        assert found(tmp_path, bytes(1024)) == []

    def test_end_without_its_mark(self, tmp_path: Path) -> None:
        """A file that ends after a member, or in its padding, is cut short."""
        for data in (member(), member()[:-9]):
            assert found(tmp_path, data) == [MESSAGE, DAMAGED]


def test_closed_early(tmp_path: Path) -> None:
    """A member of which only a part is read does not move the next one."""
    path = put(tmp_path / "t.tar", member(b"a.eml", b"x" * 5000) + member(b"b.eml") + END)
    assert contents(path, limit=100) == [DefectCode.ITEM_TOO_LARGE, MESSAGE]


def test_agreement(tmp_path: Path) -> None:
    """In archives of the standard library, members are found at the offsets that it reports."""
    for format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        many = ["a", "d/" * 45 + "b", "é", "./c", "x" * 90 + "é"]
        path = put(tmp_path / "t.tar", tar(*[(name, MESSAGE) for name in many], format=format))
        with tarfile.open(path) as archive:
            expected = [(one.name, one.offset) for one in archive]
        assert [place.source.members[0] for place in locate([path])] == expected
