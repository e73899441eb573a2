"""`exjournal unwrap`: originals as files, cleaned on request."""

import base64
import errno
from pathlib import Path

import pytest
from cli_helpers import REPORT, TRUNCATED, UNSEEN, WITHOUT_ORIGINAL, files, listed, put, run, seen

from exjournal import RESTORE_HEADERS, strip_headers
from strategies import ORIGINAL, TEXT, a_message, built


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test of this module works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestUnwrap:
    """`exjournal unwrap`: the originals."""

    @pytest.mark.parametrize(
        "original",
        [b"", b"\n", b"\r\n.\r\n", b"From x\n\xff\0\r\r\n\x1a", b"no end", ORIGINAL * 5000, REPORT],
        ids=["empty", "line end", "dot", "bytes", "no end", "long", "report"],
    )
    def test_byte_for_byte(self, original: bytes) -> None:
        """The original comes out as it went in, into a file and onto standard output."""
        put("r.eml", built(original))
        assert run("unwrap", "r.eml", "--out", "there") == (0, b"", "")
        assert Path("there/r.original.eml").read_bytes() == original
        assert run("unwrap", "r.eml", "--out", "-") == (0, original, "")

    def test_encoded(self) -> None:
        """An original in a transfer encoding comes out decoded."""
        part = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQrp\r\n"
        put("r.eml", a_message(TEXT, part))
        assert run("unwrap", "r.eml", "--out", "-").data == b"Subject: x\r\n\r\n\xe9"

    @pytest.mark.parametrize(
        ("name", "target"),
        [
            ("r.eml", "r.original.eml"),
            ("r", "r.original.eml"),
            ("2024.02.29.eml", "2024.02.29.original.eml"),
            (".eml", ".eml.original.eml"),
            ("in/deep/r.eml", "r.original.eml"),
            ("a b.eml", "a b.original.eml"),
            ("\u00e9\u202e.eml", "\u00e9\u202e.original.eml"),
        ],
    )
    def test_names(self, name: str, target: str) -> None:
        """A file's name keeps its stem, and no folder of its path."""
        put(name)
        assert run("unwrap", name, "--out", "there").status == 0
        assert listed("there") == [target]

    def test_standard_input(self) -> None:
        """Standard input has a name as a file, too."""
        assert run("unwrap", "-", "--out", "there", stdin=REPORT) == (0, b"", "")
        assert {path.name: path.read_bytes() for path in Path("there").iterdir()} == {"stdin.original.eml": ORIGINAL}

    def test_through(self) -> None:
        """From standard input to standard output nothing is added."""
        assert run("unwrap", "-", "--out", "-", stdin=REPORT) == (0, ORIGINAL, "")

    def test_standard_output_takes_one(self) -> None:
        """Originals of several files are never run together on standard output."""
        put("a.eml")
        put("b.eml")
        outcome = run("unwrap", "a.eml", "b.eml", "--out", "-")
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: --out - takes only one ")

    @pytest.mark.parametrize("out", ["there", "-"])
    def test_missing(self, out: str) -> None:
        """A report without an original is named, with exit status 1, and no file is written for it."""
        put("r.eml", WITHOUT_ORIGINAL)
        outcome = run("unwrap", "r.eml", "--out", out)
        assert (outcome.status, outcome.data) == (1, b"")
        assert outcome.messages == ["r.eml: the report contains no original"]
        assert list(files()) == ["r.eml"]

    @pytest.mark.parametrize("out", ["there", "-"])
    def test_perhaps_truncated(self, out: str) -> None:
        """An original that is perhaps truncated is written, with a warning."""
        put("r.eml", TRUNCATED)
        outcome = run("unwrap", "r.eml", "--out", out)
        assert outcome.status == 0
        assert outcome.messages == ["r.eml: the original is perhaps truncated"]
        assert (outcome.data or Path("there/r.original.eml").read_bytes()) == ORIGINAL

    def test_perhaps_truncated_replaces_nothing(self) -> None:
        """A perhaps truncated original never replaces a file, not even with --force."""
        put("r.eml", built(ORIGINAL)[:-60])
        put("there/r.original.eml", ORIGINAL)
        outcome = run("unwrap", "r.eml", "--out", "there", "--force")
        assert outcome.status == 1
        assert "does not replace it" in outcome.err
        assert Path("there/r.original.eml").read_bytes() == ORIGINAL

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    @pytest.mark.parametrize("second", ["b/r.eml", "b/R.eml", "a/r.msg", "a/../a/r.eml"])
    def test_same_stem(self, second: str, force: list[str]) -> None:
        """Two inputs never end as one file: the second gets a number and is named, with or without `--force`."""
        put("a/r.eml")
        if ".." not in second:
            put(second, built(b"Subject: another\r\n\r\n"))
        put("c.eml")
        if force:
            put("there/r.original.eml", b"old")
        outcome = run("unwrap", "a/r.eml", second, "c.eml", "--out", "there", *force)
        given = f"{Path(second).stem}-2.original.eml"
        assert outcome == (0, b"", f"{second}: written to there/{given}\n")
        written = {path.name: path.read_bytes() for path in Path("there").iterdir()}
        other = ORIGINAL if ".." in second else b"Subject: another\r\n\r\n"
        assert written == {"r.original.eml": ORIGINAL, given: other, "c.original.eml": ORIGINAL}

    def test_same_stem_again(self) -> None:
        """A repeated run finds its own files, and overwrites none of them."""
        for name in ("a/r.eml", "b/r.eml", "b/r-2.eml", "c/r.eml"):
            put(name, built(f"Subject: {name}\r\n\r\n".encode()))
        words = ["unwrap", "a/r.eml", "b/r.eml", "b/r-2.eml", "c/r.eml", "--out", "there"]
        assert run(*words).status == 0
        assert {path.name: path.read_bytes()[9:].strip() for path in Path("there").iterdir()} == {
            "r.original.eml": b"a/r.eml",
            "r-2.original.eml": b"b/r.eml",
            "r-2-2.original.eml": b"b/r-2.eml",
            "r-3.original.eml": b"c/r.eml",
        }
        before = files()
        outcome = run(*words)
        assert (outcome.status, len(outcome.messages)) == (1, 4)
        assert all(line.endswith(": exists (--force overwrites it)") for line in outcome.messages)
        assert run(*words, "--force").status == 0
        assert files() == before

    def test_number_that_is_a_name(self) -> None:
        """A number is not given where the name with it is taken."""
        for name in ("a/r-2.eml", "a/r.eml", "b/r.eml"):
            put(name, built(f"Subject: {name}\r\n\r\n".encode()))
        assert run("unwrap", "a/r-2.eml", "a/r.eml", "b/r.eml", "--out", "there").status == 0
        assert listed("there") == ["r-2.original.eml", "r-3.original.eml", "r.original.eml"]

    def test_standard_input_and_its_namesake(self) -> None:
        """A file called like standard input does not end as one with it."""
        put("stdin.eml", built(b"Subject: another\r\n\r\n"))
        assert run("unwrap", "-", "stdin.eml", "--out", "there", "--force", stdin=REPORT).status == 0
        assert Path("there/stdin.original.eml").read_bytes() == ORIGINAL
        assert Path("there/stdin-2.original.eml").read_bytes() == b"Subject: another\r\n\r\n"

    def test_disk_error_does_not_end_the_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that could not be written is named, and the next file is written."""
        put("a.eml")
        put("b.eml")
        put("there/c.original.eml", b"old")
        put("c.eml")

        def fail(*_: object) -> int:
            patch.undo()
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", fail)
            outcome = run("unwrap", "a.eml", "b.eml", "c.eml", "--out", "there")
        assert outcome.status == 2
        assert len(outcome.messages) == 2
        written = {path.name: path.read_bytes() for path in Path("there").iterdir()}
        assert written == {"b.original.eml": ORIGINAL, "c.original.eml": b"old"}


STAMPED = (
    b"X-MS-Exchange-Organization-SCL: -1\r\n"
    b"Received: from a.example\r\n\tby b.example\r\n"
    b"x-ms-journal-report:\r\n"
    b"X-MS-Exchange-Organization-AuthAs: Internal\r\n\tfolded\r\n \r\n"
    b"X-MS-Exchange-Organization-SCL: 5\r\n" + ORIGINAL + b"X-MS-Journal-Report: of the body\r\n"
)
CLEANED = b"Received: from a.example\r\n\tby b.example\r\n" + ORIGINAL + b"X-MS-Journal-Report: of the body\r\n"
REMOVED = [
    "r.eml: removed X-MS-Exchange-Organization-SCL (2)",
    "r.eml: removed x-ms-journal-report",
    "r.eml: removed X-MS-Exchange-Organization-AuthAs",
]
LARGE_HEADER = b"X-MS-Journal-Report:\r\n" + b"X: y\r\n" * 100_000 + b"\r\nHi.\r\n"


class TestClean:
    """`unwrap --clean`: the original without fields that make a server refuse it or leak."""

    def test_file(self) -> None:
        """Each removed name is reported once, with its number, and nothing else is gone."""
        put("r.eml", built(STAMPED))
        assert run("unwrap", "--clean", "r.eml", "--out", "there") == (0, b"", "\n".join([*REMOVED, ""]))
        assert Path("there/r.original.eml").read_bytes() == CLEANED
        assert strip_headers(STAMPED, RESTORE_HEADERS) == CLEANED

    def test_standard_output(self) -> None:
        """The same to standard output."""
        put("r.eml", built(STAMPED))
        assert run("unwrap", "--clean", "r.eml", "--out", "-") == (0, CLEANED, "\n".join([*REMOVED, ""]))

    def test_never_by_default(self) -> None:
        """Without the option nothing is removed."""
        put("r.eml", built(STAMPED))
        assert run("unwrap", "r.eml", "--out", "-") == (0, STAMPED, "")

    @pytest.mark.parametrize(
        "original",
        [b"", b"\n", b"no header", ORIGINAL, b"From x\n\xff\0\r\r\n\x1a", ORIGINAL * 5000],
        ids=["empty", "line end", "no header", "ordinary", "bytes", "long"],
    )
    def test_nothing_to_remove(self, original: bytes) -> None:
        """If nothing is removed, there is no message, and the original is unchanged."""
        put("r.eml", built(original))
        assert run("unwrap", "--clean", "r.eml", "--out", "-") == (0, original, "")

    def test_encoded(self) -> None:
        """An original in a transfer encoding is decoded and then cleaned."""
        coded = base64.encodebytes(b"X-MS-Journal-Report:\nSubject: x\n\n\xe9").replace(b"\n", b"\r\n")
        part = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + coded
        put("r.eml", a_message(TEXT, part))
        outcome = run("unwrap", "--clean", "r.eml", "--out", "-")
        assert outcome == (0, b"Subject: x\n\n\xe9", "r.eml: removed X-MS-Journal-Report\n")

    @pytest.mark.parametrize("format_", ["bcc", "message-only"])
    def test_copy(self, format_: str) -> None:
        """Any message can be cleaned as a copy of itself."""
        put("r.eml", STAMPED)
        outcome = run("unwrap", "--clean", "--format", format_, "r.eml", "--out", "-")
        assert outcome == (0, CLEANED, "\n".join([*REMOVED, ""]))

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    @pytest.mark.parametrize("out", ["there", "-"])
    def test_header_too_large(self, out: str, force: list[str]) -> None:
        """An original whose header is too large to be looked at is named, and nothing of it is written, clean or not."""
        put("r.eml", built(LARGE_HEADER))
        put("there/r.original.eml", b"kept")
        before = files()
        outcome = run("unwrap", "--clean", "r.eml", "--out", out, *force)
        assert (outcome.status, outcome.data) == (1, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith("r.eml: the original cannot be cleaned: header-too-large at offset ")
        assert files() == before

    def test_header_too_large_does_not_end_the_run(self) -> None:
        """The next file is cleaned all the same."""
        put("large.eml", built(LARGE_HEADER))
        put("r.eml", built(STAMPED))
        outcome = run("unwrap", "--clean", "large.eml", "r.eml", "--out", "there")
        assert outcome.status == 1
        assert outcome.messages[1:] == REMOVED
        assert listed("there") == ["r.original.eml"]

    def test_truncated(self) -> None:
        """Other messages about an original appear as well."""
        put("r.eml", built(STAMPED)[:-60])
        outcome = run("unwrap", "--clean", "r.eml", "--out", "there")
        assert (outcome.status, outcome.messages) == (0, ["r.eml: the original is perhaps truncated", *REMOVED])

    @pytest.mark.parametrize("character", UNSEEN, ids=ascii)
    def test_terminal(self, character: str) -> None:
        """Nothing of a name acts on the terminal."""
        field = f"X-MS-Exchange-Organization-a{character}b: c\r\n".encode()
        put(f"{character}.eml", built(field + STAMPED))
        outcome = run("unwrap", "--clean", f"{character}.eml", "--out", "there")
        assert outcome.status == 0
        assert outcome.err
        assert seen(outcome.err)
