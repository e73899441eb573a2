"""Reading archives: all verbs see the same items of the same paths, each with its source and exit status."""

import errno
import gzip
import io
import json
import os
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cli_helpers import SECRET, Failing, files, listed, put, run, seen
from hypothesis import given
from hypothesis import strategies as st
from test_scan import BARE, GARBAGE, REFUSED, add_member, bounce, lines, mboxrd

from exjournal import (
    ArchivedMessage,
    ArchivedReport,
    Recipient,
    Source,
    Unreadable,
    map_archive,
    parse_report,
    read_archive,
    scan_archive,
)
from strategies import HEAVY, ORIGINAL, a_report, built

READING = ["parse", "check", "unwrap", "merge", "scan"]
DATED = ["--domain", "example.com", "--date", "2024-02-29T12:30:45+00:00"]


def message(number: int) -> bytes:
    """A message that differs from all others."""
    return ORIGINAL.replace(b"<1@", b"<%d@" % number).replace(b"Hi.", b"Number %d." % number)


def report(number: int) -> bytes:
    """A report on it."""
    said = a_report(recipients=[Recipient("bob@example.net")], message_id=f"<{number}@example.com>")
    return built(message(number), report=said, report_id=f"<r{number}@example.com>")


REPORTS = [report(number) for number in range(4)]
MAILBOX = mboxrd(REPORTS[:3])


def words_of(verb: str, out: str = "there") -> list[str]:
    """The further arguments of a verb."""
    return {"unwrap": ["--out", out], "scan": ["--jobs", "1", "--json", f"{out}.jsonl"]}.get(verb, [])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sources(*paths: str | Path, **options: Any) -> list[str]:
    """The sources of the items of some paths, as the library finds them."""
    return [str(item.source) for item in read_archive(*paths, **options)]


def originals(out: str = "there") -> dict[str, bytes]:
    """The files that were written, by name."""
    return {path.name: path.read_bytes() for path in Path(out).iterdir()}


def a_tar(members: dict[str, bytes]) -> bytes:
    """A tar file."""
    with io.BytesIO() as data:
        with tarfile.open(fileobj=data, mode="w") as tar:
            for name, content in members.items():
                add_member(tar, name, content)
        return data.getvalue()


def a_zip(members: dict[str, bytes]) -> bytes:
    """A zip file."""
    with io.BytesIO() as data:
        with zipfile.ZipFile(data, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return data.getvalue()


def numbered(messages: list[bytes], end: str = ".eml") -> dict[str, bytes]:
    """Messages with names."""
    return {f"in/{number}{end}": one for number, one in enumerate(messages)}


PACKINGS: dict[str, Any] = {
    "{}.mbox": mboxrd,
    "{}.mbox.gz": lambda messages: gzip.compress(mboxrd(messages)),
    "{}.tar": lambda messages: a_tar(numbered(messages)),
    "{}.tgz": lambda messages: gzip.compress(a_tar(numbered(messages, ""))),
    "{}.zip": lambda messages: a_zip(numbered(messages)),
    "{}-2.zip": lambda messages: a_zip({"a.mbox": mboxrd(messages), "b.tar": a_tar(numbered(messages))}),
    "{}-cut.tar": lambda messages: a_tar(numbered(messages))[:-11_000],
    "{}.eml": lambda messages: b"".join(messages[:1]),
    "{}": lambda messages: b"".join(messages[:1]),
    "{}.eml.gz": lambda messages: gzip.compress(b"".join(messages[:1])),
}
MESSAGES = [*REPORTS, REPORTS[0][:-60], bounce(REPORTS[1]), bounce(BARE), BARE, REFUSED, GARBAGE]


class TestSameDoor:
    """Every verb and function that reads an archive sees the same items in the same order."""

    @pytest.mark.slow
    @HEAVY
    @given(
        packed=st.lists(
            st.tuples(st.sampled_from([*PACKINGS]), st.lists(st.sampled_from(MESSAGES), max_size=4)), max_size=4
        ),
        undeliverable=st.booleans(),
        by_folder=st.booleans(),
    )
    def test_law(self, packed: list[tuple[str, list[bytes]]], undeliverable: bool, by_folder: bool) -> None:
        """Every verb and function that reads an archive sees the same items in the same order."""
        with TemporaryDirectory() as name:
            root = Path(name, "in")
            root.mkdir()
            paths = [
                put(root / form.format(number), PACKINGS[form](messages))
                for number, (form, messages) in enumerate(packed)
            ]
            given_ = [root] if by_folder else paths or [root]
            expected = list(read_archive(*given_, undeliverable=undeliverable))
            reports = [item for item in expected if isinstance(item, ArchivedReport)]
            words = ["--undeliverable"] if undeliverable else []

            assert list(map_archive(_source, *given_, undeliverable=undeliverable, jobs=1)) == [
                item.source for item in expected
            ]
            run("scan", *given_, *words, "--jobs", "1", "--json", Path(name, "lines"))
            assert [one["source"] for one in lines(Path(name, "lines"))] == [item.source.to_dict() for item in expected]

            outcome = run("check", "--json", *given_, *words)
            assert [one["source"] for one in outcome.objects] == [
                item.source.to_dict() for item in expected if item.octets is not None
            ]
            assert [line.partition(": ")[0] for line in outcome.messages] == [
                str(item.source) for item in expected if item.octets is None
            ]

            outcome = run("parse", "--json", *given_, *words)
            assert [one["source"] for one in outcome.objects] == [item.source.to_dict() for item in reports]

            found = run("merge", "--json", *given_, *words).objects
            merged = [
                place["path"] + str(place["members"]) for one in found for some in one["sources"] for place in some
            ]
            assert Counter(merged) == Counter(
                item.source.path + str(item.source.to_dict()["members"]) for item in reports
            )

            outcome = run("unwrap", *given_, "--out", Path(name, "out"))
            direct = [item for item in read_archive(*given_) if isinstance(item, ArchivedReport)]
            written = [path.read_bytes() for path in Path(name, "out").iterdir()] if direct else []
            assert Counter(written) == Counter(item.parsed.original_bytes() for item in direct)

    @pytest.mark.parametrize("verb", READING)
    def test_statuses_of_archives(self, verb: str) -> None:
        """Ordinary mail in a folder, a mailbox or an archive is counted and does not fail the run."""
        put("in/a.eml", REPORTS[0])
        put("in/b.eml", BARE)
        put("in/c.eml", bounce(REPORTS[1]))
        put("x.mbox", mboxrd([BARE, REPORTS[2]]))
        put("x.zip", a_zip({"a.eml": BARE}))
        outcome = run(verb, "in", "x.mbox", "x.zip", *words_of(verb))
        assert outcome.status == 0
        counted = "other messages: 4 (multipart-report 1, not-a-report 3)\n"
        assert outcome.err == ("" if verb in ("check", "scan") else counted)


def _source(item: ArchivedReport | ArchivedMessage | Unreadable) -> Source:
    return item.source


class TestStatus:
    """The exit status of an item without a report."""

    @pytest.mark.parametrize("verb", ["parse", "check", "unwrap", "merge"])
    @pytest.mark.parametrize(
        ("data", "code"), [(REFUSED, "report-text-missing"), (GARBAGE, "not-a-report"), (b"", "empty")]
    )
    def test_unusable(self, verb: str, data: bytes, code: str) -> None:
        """An item that does not parse is named with its source and its code, and the run goes on; the status is 1."""
        put("x.tar", a_tar({"a/1": REPORTS[0], "a/2": data, "a/3": REPORTS[1]}))
        outcome = run(verb, "x.tar", *words_of(verb))
        assert outcome.status == 1
        output = outcome.out if verb == "check" else outcome.err
        [line] = [line for line in output.split("\n") if "x.tar:a/2: " in line]
        assert code in line
        if verb == "unwrap":
            assert listed("there") == ["x.tar_a_1.original.eml", "x.tar_a_3.original.eml"]

    @pytest.mark.parametrize("verb", ["parse", "check", "unwrap", "merge"])
    def test_damaged(self, verb: str) -> None:
        """A damaged archive is read up to the damage; the status is 2 where it was named, and 1 inside another one."""
        data = a_tar(numbered(REPORTS))
        damaged = data[: data.rindex(b"in/3.eml") + 700]
        put("in/x.tar", damaged)
        for path, status in (("in/x.tar", 2), ("in", 1)):
            outcome = run(verb, path, *words_of(verb, f"out-{status}"))
            assert outcome.status == status
            assert [line for line in outcome.messages if line.startswith("in/x.tar: archive-damaged")] != []
            assert verb != "unwrap" or len(originals(f"out-{status}")) == 3

    @pytest.mark.parametrize("verb", ["parse", "check", "unwrap", "merge"])
    def test_file_in_a_folder(self, verb: str) -> None:
        """A file in a folder that cannot be read is named, and the status is 1: the folder was read."""
        put("in/b.eml", REPORTS[0])
        Path("in/a.eml").symlink_to("nowhere")
        outcome = run(verb, "in", *words_of(verb))
        assert (outcome.status, outcome.messages) == (1, [f"in/a.eml: {os.strerror(errno.ENOENT)}"])

    @pytest.mark.parametrize("verb", ["parse", "check", "unwrap", "merge"])
    def test_folder(self, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A folder on the command line that cannot be listed is named, and the status is 2."""
        put("in/a.eml", REPORTS[0])
        put("r.eml", REPORTS[1])

        def scandir(*_: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", scandir)
            outcome = run(verb, "in", "r.eml", *words_of(verb))
        assert (outcome.status, outcome.messages) == (2, ["in: Permission denied"])

    @pytest.mark.parametrize("verb", READING)
    def test_nothing_in_it(self, verb: str) -> None:
        """An empty folder and an empty mailbox hold nothing, and that is fine."""
        Path("in").mkdir()
        put("x.mbox", b"")
        outcome = run(verb, "in", "x.mbox", *words_of(verb))
        assert (outcome.status, outcome.err) == (0, "")

    @pytest.mark.parametrize("verb", ["parse", "unwrap", "merge"])
    def test_reason_of_a_bounce(self, verb: str) -> None:
        """A bounce without a report that was looked into is named with that reason."""
        put("b.eml", bounce(BARE))
        outcome = run(verb, "b.eml", "--undeliverable", *words_of(verb))
        assert outcome.status == 1
        assert outcome.messages[0].startswith("b.eml: no-report-inside at offset ")


class TestStandardInput:
    """A dash is standard input, with any content."""

    @pytest.mark.parametrize("verb", READING)
    @pytest.mark.parametrize("packing", ["{}.mbox", "{}.tar", "{}.zip", "{}.mbox.gz"])
    def test_archives(self, verb: str, packing: str) -> None:
        """It can be an archive, and its items are called after it."""
        data = PACKINGS[packing](REPORTS)
        put("there/before", b"")
        outcome = run(verb, "-", *words_of(verb), stdin=data)
        assert (outcome.status, outcome.err) == (0, "")
        put("x", data)
        wanted = [source.replace("x", "-", 1) for source in sources("x")]
        if verb == "parse":
            assert [line for line in outcome.out.split("\n")[:-1] if line[0] != " "] == wanted
        elif verb == "check":
            assert [line.partition(": report")[0] for line in outcome.out.split("\n")[:-1]] == wanted
        elif verb == "unwrap":
            assert len(listed("there")) == 5
            assert all(name.startswith(("stdin", "before")) for name in listed("there"))
        elif verb == "scan":
            found = [one["source"] for one in lines(Path("there.jsonl"))]
            assert [str(Source.from_dict(one)) for one in found] == wanted
        else:
            assert {source for source in wanted if f" {source}\n" in outcome.out} == set(wanted)

    @pytest.mark.parametrize("verb", READING)
    def test_nothing_is_left(self, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The copy on the disk is gone when the run has ended, however it ended."""
        Path("scratch").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(Path("scratch").resolve()))
        run(verb, "-", *words_of(verb), stdin=MAILBOX)
        assert listed("scratch") == []
        assert run(verb, "-", *words_of(verb), stdin=Failing(KeyboardInterrupt())).status == 130
        assert listed("scratch") == []

    def test_broken(self) -> None:
        """A scan names standard input that cannot be read."""
        outcome = run("scan", "-", stdin=Failing(OSError(errno.EIO, "Input/output error")))
        assert (outcome.status, outcome.data, outcome.messages) == (2, b"", ["-: Input/output error"])

    def test_twice(self) -> None:
        """The second time standard input is empty, and a scan says so as well."""
        outcome = run("scan", "-", "-", "--jobs", "1", "--quiet", stdin=REPORTS[0])
        assert (outcome.status, outcome.messages) == (1, ["-: empty at offset 0"])

    def test_by_several_processes(self, folder: Path) -> None:
        """Processes that share the work read the same copy, and its name is only a dash."""
        assert run("scan", "-", "--jobs", "2", "--json", "lines", "--quiet", stdin=MAILBOX).status == 0
        assert [one["source"]["path"] for one in lines(folder / "lines")] == ["-"] * 3

    @pytest.mark.parametrize("verb", ["parse", "check"])
    def test_json(self, verb: str) -> None:
        """Objects have the path as given, and the source."""
        found = run(verb, "--json", "-", stdin=MAILBOX).objects
        assert [one["file"] for one in found] == ["-"] * 3
        put("x.mbox", MAILBOX)
        assert [one["source"] for one in found] == [
            {**item.source.to_dict(), "path": "-"} for item in read_archive("x.mbox")
        ]


class TestOptions:
    """The options of reading are those of every verb."""

    @pytest.mark.parametrize("verb", READING)
    def test_help(self, verb: str) -> None:
        """The help of every verb names them."""
        out = run(verb, "--help").out
        assert [
            word for word in ("PATH", "--pattern", "--mbox", "--undeliverable", "--format") if word not in out
        ] == []

    @pytest.mark.parametrize("verb", ["parse", "check"])
    def test_pattern(self, verb: str) -> None:
        """Only files of such names are read."""
        put("in/a.eml", REPORTS[0])
        put("in/b.txt", REPORTS[1])
        found = run(verb, "--json", "in", "--pattern", "*.TXT").objects
        assert [(one["file"], one["source"]) for one in found] == [("in", Source("in/b.txt").to_dict())]

    @pytest.mark.parametrize("verb", READING)
    def test_mbox(self, verb: str) -> None:
        """The variant of mailbox files is the one that was named; a quoted line without one is a defect that is shown."""
        quoted = ORIGINAL + b"From here on it is quoted.\r\n"
        put("x.mbox", mboxrd([built(quoted)]))
        outcome = run(verb, "x.mbox", *words_of(verb))
        assert outcome.status == (verb == "check")
        assert "mbox-quoting" in (Path("there.jsonl").read_text() if verb == "scan" else outcome.out + outcome.err)
        if verb == "unwrap":
            assert b">From here" in next(iter(originals().values()))
        outcome = run(verb, "x.mbox", "--mbox", "mboxrd", *words_of(verb, "undone"))
        assert outcome.status == 0
        assert "mbox-quoting" not in outcome.out + outcome.err
        if verb == "unwrap":
            assert [*originals("undone").values()] == [quoted]

    def test_defects_as_data(self) -> None:
        """The defects of a mailbox file are data as well."""
        put("x.mbox", mboxrd([built(ORIGINAL + b"From here on it is quoted.\r\n")]))
        [item] = read_archive("x.mbox")
        wanted = [{"code": "mbox-quoting", "detail": item.defects[0].detail, "offset": 0}]
        [found] = run("parse", "--json", "x.mbox").objects
        assert (found["archive_defects"], found["defects"]) == (wanted, [])
        [found] = run("check", "--json", "x.mbox").objects
        assert found["defects"] == [{"code": "mbox-quoting", "count": 1}]
        [found] = run("merge", "--json", "x.mbox").objects
        place = {**item.source.to_dict(), "archive_defects": wanted, "undeliverable": None, "found": None}
        assert found["sources"] == [[place]]
        run("scan", "x.mbox", "--merge", "--json", "lines", "--quiet", "--jobs", "1")
        [[found_by_scan]] = lines(Path("lines"))[0]["sources"]
        assert found_by_scan.items() >= place.items()

    def test_undeliverable(self) -> None:
        """Reports in bounces are read where that is asked for, with those who refused them."""
        put("b.eml", bounce(REPORTS[0]))
        [found] = run("parse", "--json", "--undeliverable", "b.eml").objects
        assert found["report_id"] == "<r0@example.com>"
        assert [one["recipient"] for one in found["undeliverable"]] == ["archive@example.com"]
        assert run("check", "--undeliverable", "b.eml").status == 0
        [merged] = run("merge", "--json", "--undeliverable", "b.eml").objects
        [[place]] = merged["sources"]
        assert (place["path"], place["undeliverable"], place["found"]) == ("b.eml", found["undeliverable"], None)
        outcome = run("merge", "--report", "--undeliverable", *DATED, "b.eml")
        assert parse_report(outcome.data, strict=True).original_bytes() == message(0)

    def test_seal_in_a_bounce(self) -> None:
        """A seal is that of the report inside."""
        put("s.secret", SECRET)
        put("b.eml", bounce(built(secret=SECRET)))
        outcome = run("check", "--undeliverable", "b.eml", "--secret-file", "s.secret")
        assert (outcome.status, outcome.out[-13:]) == (0, ", seal valid\n")

    def test_usage(self) -> None:
        """Errors name the option."""
        put("in/a.eml", REPORTS[0])
        for words, named in (
            (["in", "--jobs", "-1"], "--jobs: "),
            (["in", "--originals", "in"], "PATH: "),
            (["in", "--json", "-", "--resume"], "--resume needs an output in a file or folder: "),
            (["-", "--json", "out", "--resume"], "--resume cannot be combined with -"),
        ):
            assert run("scan", *words).messages[0].startswith(f"exjournal: {named}")


class TestNames:
    """The files that `unwrap` writes out of archives."""

    def test_mailbox(self) -> None:
        """The originals of a mailbox are named for their places in it."""
        put("in/x.mbox", MAILBOX)
        assert run("unwrap", "in/x.mbox", "--out", "there") == (0, b"", "")
        offsets = [item.source.offset for item in read_archive("in/x.mbox")]
        assert originals() == {f"x.mbox@{at}.original.eml": message(number) for number, at in enumerate(offsets)}

    def test_folder(self) -> None:
        """Files in a folder are named by their path in it."""
        put("in/2025/1.eml", REPORTS[0])
        put("in/2026/1.eml", REPORTS[1])
        put("in/2026/1.EML.txt", REPORTS[2])
        for given_ in ("in", "in/", "./in", f"{Path('in').resolve()}"):
            assert run("unwrap", given_, "--out", "there", "--force") == (0, b"", "")
            assert originals() == {
                "2025_1.original.eml": message(0),
                "2026_1.EML.txt.original.eml": message(2),
                "2026_1.original.eml": message(1),
            }

    def test_here(self) -> None:
        """The folder can be the one that the command runs in."""
        put("1.eml", REPORTS[0])
        put("a/1.eml", REPORTS[1])
        assert run("unwrap", ".", "--out", "there") == (0, b"", "")
        assert listed("there") == ["1.original.eml", "a_1.original.eml"]

    def test_outputs_are_not_read(self) -> None:
        """Files written below a folder that is read do not become input: a run can be repeated."""
        put("1.eml", built(REPORTS[1]))
        put("z/1.eml", REPORTS[0])
        words = ["unwrap", ".", "--out", "out/inner", "--force"]
        assert run(*words) == (0, b"", "")
        before = files()
        assert originals("out/inner") == {"1.original.eml": REPORTS[1], "z_1.original.eml": message(0)}
        assert run(*words) == (0, b"", "")
        assert files() == before
        words = ["merge", ".", "--report", *DATED, "--out", "out/inner", "--force"]
        first = run(*words)
        assert run(*words) == first
        assert (first.status, len(originals("out/inner"))) == (0, 4)

    def test_folder_that_is_read_and_written(self) -> None:
        """The folder itself can be read and written to: its files have other names."""
        put("in/1.eml", built(REPORTS[1]))
        assert run("unwrap", "in", "--out", "in") == (0, b"", "")
        assert listed("in") == ["1.eml", "1.original.eml"]

    def test_maildir(self) -> None:
        """The names of a Maildir have characters that are not everywhere allowed, and are kept apart."""
        for name in ("cur/1.host.example:2,S", "cur/2.host.example:2,", "new/3.host.example"):
            put(f"mail/{name}", REPORTS[0])
        Path("mail/tmp").mkdir()
        assert run("unwrap", "mail", "--out", "there").status == 0
        assert listed("there") == [
            "cur_1.host.example_2,S.original.eml",
            "cur_2.host.example_2,.original.eml",
            "new_3.host.example.original.eml",
        ]

    @pytest.mark.parametrize(
        ("member", "name"),
        [
            ("a/b.eml", "x.tar_a_b"),
            ("../../b", "x.tar_.._.._b"),
            ("/etc/b.eml", "x.tar__etc_b"),
            ("C:\\b", "x.tar_C__b"),
            ("a\n\x1b[2J\u202e\u00a0b", "x.tar_a__[2J__b"),
            ('<a>|b?*"', "x.tar__a__b___"),
            ("caf\u00e9 \u4e2d.eml", "x.tar_caf\u00e9 \u4e2d"),
            ("\udcff", "x.tar__"),
        ],
        ids=ascii,
    )
    def test_members(self, member: str, name: str) -> None:
        """Nothing that a member is called leads elsewhere, acts on a terminal, or is reserved."""
        put("in/x.tar", a_tar({member: REPORTS[0]}))
        outcome = run("unwrap", "in/x.tar", "--out", "there/inner", "--pattern", "*")
        assert (outcome.status, outcome.err) == (0, "")
        assert listed("there/inner") == [f"{name}.original.eml"]
        assert {one for one in files() if not one.startswith("there/inner/")} == {"in/x.tar"}

    @pytest.mark.parametrize("letter", ["n", "\u4e2d"])
    def test_long(self, letter: str) -> None:
        """A name that is too long loses its middle, and the end keeps items apart."""
        members = {f"{letter * 60}/{letter * 80}{number}.eml": REPORTS[number] for number in range(3)}
        put("x.tar", a_tar(members))
        assert run("unwrap", "x.tar", "--out", "there") == (0, b"", "")
        names = listed("there")
        assert [name[-15:] for name in names] == [f"{letter}{number}.original.eml" for number in range(3)]
        assert all(name.startswith("x.tar_") and len(name.encode()) <= 220 for name in names)

    @pytest.mark.parametrize("name", [".hidden.eml", "-rf.eml"])
    def test_begin(self, name: str) -> None:
        """No file is hidden, or reads like an option."""
        put(f"in/{name}", REPORTS[0])
        assert run("unwrap", "in", "--out", "there", "--pattern", "*.eml").status == 0
        assert listed("there") == [f"_{name[1:-4]}.original.eml"]

    def test_same_name(self) -> None:
        """Another original with a name that is taken gets a number, and is named."""
        put("x.zip", a_zip({"a/b.eml": REPORTS[0], "a_b.eml": REPORTS[1]}))
        put("a/x.zip", a_zip({"a/b.eml": REPORTS[2]}))
        outcome = run("unwrap", "x.zip", "a/x.zip", "--out", "there", "--force")
        assert outcome.status == 0
        assert outcome.messages == [
            "x.zip:a_b.eml: written to there/x.zip_a_b-2.original.eml",
            "a/x.zip:a/b.eml: written to there/x.zip_a_b-3.original.eml",
        ]
        assert originals() == {
            "x.zip_a_b.original.eml": message(0),
            "x.zip_a_b-2.original.eml": message(1),
            "x.zip_a_b-3.original.eml": message(2),
        }

    @HEAVY
    @given(st.lists(st.text(min_size=1, max_size=12).filter(lambda name: "\0" not in name), max_size=5))
    def test_any_members(self, names: list[str]) -> None:
        """For any names of members, each original has a file of its own in the folder, and no other file is made."""
        with TemporaryDirectory() as name:
            with zipfile.ZipFile(Path(name, "x.zip"), "w") as archive:
                for number, member in enumerate(dict.fromkeys(names)):
                    archive.writestr(member.encode("utf-8", "replace").decode() + f"/{number}.eml", report(number))
            expected = [item.parsed.original_bytes() for item in read_archive(Path(name, "x.zip"))]  # type: ignore[union-attr]
            outcome = run("unwrap", Path(name, "x.zip"), "--out", Path(name, "there"))
            assert outcome.status == 0
            assert seen(outcome.err)
            written = [path.read_bytes() for path in Path(name, "there").iterdir()] if expected else []
            assert sorted(written) == sorted(expected)
            assert {path.name for path in Path(name).iterdir()} <= {"x.zip", "there"}


class TestOneOnStandardOutput:
    """`unwrap --out -` takes one original, or one report out of a bounce."""

    @pytest.mark.parametrize("words", [[], ["--undeliverable"]], ids=["original", "report"])
    def test_one(self, words: list[str]) -> None:
        """It can be the only one of a mailbox."""
        put("x.mbox", mboxrd([BARE, REPORTS[0], BARE]))
        outcome = run("unwrap", "x.mbox", "--out", "-", *words)
        assert (outcome.status, outcome.data) == (0, REPORTS[0] if words else message(0))

    @pytest.mark.parametrize("words", [[], ["--undeliverable"]], ids=["original", "report"])
    def test_several(self, words: list[str]) -> None:
        """Several reports are wrong usage, and nothing is written."""
        put("x.mbox", MAILBOX)
        outcome = run("unwrap", "x.mbox", "--out", "-", *words)
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.messages[0].startswith("exjournal: --out - takes only one report, but x.mbox contains several")

    def test_nothing(self) -> None:
        """A mailbox without a report gives nothing."""
        put("x.mbox", mboxrd([BARE]))
        for words in ([], ["--undeliverable"]):
            outcome = run("unwrap", "x.mbox", "--out", "-", *words)
            assert (outcome.status, outcome.data) == (0, b"")


class TestBounces:
    """`unwrap --undeliverable` on folders and mailboxes of bounces."""

    @pytest.mark.parametrize("packing", ["{}.mbox", "{}.tar", "{}-2.zip"])
    def test_archives(self, packing: str) -> None:
        """The reports of all bounces are written, those that are there twice once, and other mail is counted."""
        put(packing.format("in/x"), PACKINGS[packing]([bounce(one) for one in REPORTS[:3]] + [BARE, bounce(BARE)]))
        outcome = run("unwrap", "--undeliverable", "in", "--out", "there")
        assert outcome.status == 0
        assert sorted(originals().values()) == sorted(REPORTS[:3])
        assert listed("there") == [f"r{number}@example.com.eml" for number in range(3)]
        times = 1 + (packing == "{}-2.zip")
        first, second = outcome.out.split("\n")[:2]
        assert first.startswith(f"{5 * times} bounces: 3 written, {2 * times} without a report")
        assert second == f"{3 * times:>6}  archive@example.com  failed  5.0.0"
        assert outcome.messages[-1].startswith(f"other messages: {2 * times} (")

    def test_what_a_mailbox_changed(self) -> None:
        """A report that a mailbox file may have changed is written, and named before it is sent again."""
        put("x.mbox", mboxrd([built(ORIGINAL + b"From here on it is quoted.\r\n")]))
        outcome = run("unwrap", "--undeliverable", "x.mbox", "--out", "there")
        assert outcome.status == 1
        [line] = outcome.messages
        assert line.endswith(": mbox-quoting at offset 0")

    def test_unreadable_items(self) -> None:
        """An unreadable file is named; inside a folder the status is 1."""
        Path("in").mkdir()
        Path("in/a.eml").symlink_to("nowhere")
        put("in/b.eml", GARBAGE)
        put("in/c.eml", bounce(REPORTS[0]))
        outcome = run("unwrap", "--undeliverable", "in", "--out", "there")
        assert outcome.status == 1
        assert [line.partition(":")[0] for line in outcome.messages] == ["in/a.eml", "in/b.eml"]
        assert outcome.out.startswith("3 bounces: 1 unreadable, 1 without a report, 1 written\n")

    def test_copies(self) -> None:
        """Copies come out of the bounces of a folder where their format is named."""
        copy = b"Bcc: hidden@example.org\r\n" + ORIGINAL
        put("in/a.eml", bounce(copy))
        outcome = run("unwrap", "--undeliverable", "--format", "bcc", "in", "--out", "there")
        assert outcome.status == 0
        assert [*originals().values()] == [copy]


class TestNamesOfPaths:
    """`names`: what sources show for a path whose own name means nothing."""

    @pytest.mark.slow
    def test_functions(self) -> None:
        """Every function that reads archives takes them, and they change nothing else."""
        put("copy", MAILBOX)
        put("broken.gz", gzip.compress(MAILBOX)[:-20])
        names = {"copy": "s3://bucket/x.mbox", "broken.gz": "-"}
        plain = list(read_archive("copy", "broken.gz"))
        named = list(read_archive("copy", "broken.gz", names=names))
        assert [item.source for item in named] == [item.source._replace(path=names[item.source.path]) for item in plain]
        assert [item.octets for item in named] == [item.octets for item in plain]
        assert list(map_archive(_source, "copy", "broken.gz", names=names, jobs=2)) == [item.source for item in named]
        scan_archive("copy", "broken.gz", json="lines", names=names)
        assert [one["source"] for one in lines(Path("lines"))] == [item.source.to_dict() for item in named]

    def test_resumed(self) -> None:
        """A run that goes on under other names does not take lines with the old ones."""
        put("copy", MAILBOX)

        def stop(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "full", "lines")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("exjournal.archives.scan.write_outputs", stop)
            with pytest.raises(OSError, match="full"):
                scan_archive("copy", json="lines", names={"copy": "a"}, jobs=1)
        summary = scan_archive("copy", json="lines", names={"copy": "b"}, jobs=1, resume=True)
        assert summary.resumed == 0
        assert {json.dumps(one["source"]["path"]) for one in lines(Path("lines"))} == {'"b"'}
