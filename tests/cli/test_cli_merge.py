"""`exjournal merge`: the reports of one message as one, for people, for programs, and as one report again."""

import errno
import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cli_helpers import HELD, UNREADABLE, UNSEEN, Failing, Outcome, files, listed, put, run, seen, unusable
from hypothesis import given
from hypothesis import strategies as st
from test_merging import BARE, FORK, NAMELESS, OTHER
from test_statements import readable

from exjournal import (
    Evidence,
    MergedReport,
    ParsedReport,
    Recipient,
    ReportFormat,
    Role,
    Source,
    build_report,
    identify,
    merge,
    parse_report,
)
from exjournal.cli import main
from strategies import DATE, ORIGINAL, PART, TEXT, a_message, a_report, any_bytes, built

DATED = ["--domain", "example.com", "--date", "2024-02-29T12:30:45+00:00"]
BOB = Recipient("bob@example.net", Role.TO)
ERIN = Recipient("erin@example.com", Role.BCC, expanded_from="staff@example.com")


def report(
    *recipients: Recipient | str,
    original: bytes | None = ORIGINAL,
    id: str = "<r@example.com>",
    format: ReportFormat = ReportFormat.ENVELOPE,
    decrypted: bytes | None = None,
    **changes: Any,
) -> bytes:
    """The bytes of a report about these recipients."""
    facts = a_report(recipients=recipients or [BOB], **changes)
    return built(original, report=facts, report_id=id, format=format, decrypted=decrypted)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test works in, with two reports of one message, one of another, and one of a copy's."""
    monkeypatch.chdir(tmp_path)
    put("a.eml", report(BOB))
    put("b.eml", report(ERIN, id="<s@example.com>", original=FORK))
    put("c.eml", report(BOB, original=OTHER, id="<t@example.com>"))
    return tmp_path


def content(data: bytes) -> str:
    """The content of a report's message."""
    found = identify(parse_report(data)).content_sha256
    assert found
    return found


def objects(*words: str | Path, status: int = 0, stdin: bytes = b"") -> list[dict[str, Any]]:
    """The objects that the verb writes."""
    outcome = run("merge", "--json", *words, stdin=stdin)
    assert (outcome.status, outcome.err) == (status, "")
    return outcome.objects


def combined(*words: str | Path, stdin: bytes = b"") -> ParsedReport:
    """The combined report on standard output, as it is read."""
    outcome = run("merge", "--report", *DATED, *words, stdin=stdin)
    assert (outcome.status, outcome.err) == (0, "")
    return parse_report(outcome.data, strict=True)


def lines(*words: str | Path, status: int = 0) -> list[str]:
    """The lines for people."""
    outcome = run("merge", *words)
    assert (outcome.status, outcome.err) == (status, "")
    return outcome.out.split("\n")[:-1]


class TestUsage:
    """The arguments of the command line."""

    def test_help(self) -> None:
        """The verb is in the help of the command, and has its own."""
        assert "    merge " in run("--help").out
        outcome = run("merge", "--help")
        assert (outcome.status, outcome.err) == (0, "")
        options = (
            "PATH",
            "--json",
            "--pattern",
            "--mbox",
            "--undeliverable",
            "--report",
            "--domain",
            "--date",
            "--out",
            "--force",
            "--format",
        )
        assert [word for word in options if word not in outcome.out] == []

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["--json"],
            ["a.eml", "--json", "--report"],
            ["a.eml", "--format", "exchange"],
            ["a.eml", "--out"],
            ["a.eml", "--wrong"],
        ],
        ids=" ".join,
    )
    def test_wrong(self, words: list[str]) -> None:
        """Wrong usage is reported on standard error, with exit status 2."""
        outcome = run("merge", *words)
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal")
        assert outcome.err.endswith("--help shows the options\n")

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (["a.eml"], "--domain is required"),
            (["a.eml", "--date", "2024-02-29T12:30:45+00:00"], "--domain is required"),
            (["a.eml", "--domain", "ex ample.com"], "--domain: "),
            (["a.eml", "--domain", ""], "--domain: "),
            (["a.eml", "--domain", "example.com", "--date", "yesterday"], "--date: "),
            (["a.eml", "--domain", "example.com", "--date", ""], "--date: "),
            (["a.eml", "--domain", "example.com", "--date", "2024-02-29T12:30:45"], "--date: "),
            (["a.eml", "--domain", "example.com", "--date", "2024-02-29"], "--date: "),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else value,
    )
    def test_misuse(self, words: list[str], problem: str) -> None:
        """An option that cannot be used is named on one line, with exit status 2, and nothing is written."""
        before = files()
        outcome = run("merge", "--report", "--out", "there", *words, stdin=report())
        assert (outcome.status, outcome.data, len(outcome.messages)) == (2, b"", 1)
        assert outcome.err.startswith(f"exjournal: {problem}")
        assert files() == before

    @pytest.mark.parametrize("form", [[], ["--json"]], ids=["view", "json"])
    @pytest.mark.parametrize(
        "words",
        [["--domain", "example.com"], ["--date", "2024-02-29T12:30:45+00:00"], ["--out", "there"], ["--force"]],
        ids=lambda words: words[0],
    )
    def test_option_of_the_report(self, form: list[str], words: list[str]) -> None:
        """An option of the combined report is refused without --report, where it would have no effect."""
        outcome = run("merge", *form, *words, "a.eml")
        assert (outcome.status, outcome.data, len(outcome.messages)) == (2, b"", 1)
        assert outcome.err.startswith(f"exjournal: {words[0]} needs --report")
        assert not Path("there").exists()

    def test_several_messages_on_standard_output(self) -> None:
        """Standard output takes one combined report, and a folder takes many."""
        outcome = run("merge", "--report", *DATED, "a.eml", "c.eml")
        assert (outcome.status, outcome.data, len(outcome.messages)) == (2, b"", 1)
        assert "--out" in outcome.err


class TestView:
    """The output for people."""

    def test_two_reports(self) -> None:
        """The view shows sender, recipients, how they were reached, and the places of the reports."""
        assert lines("b.eml", "a.eml") == [
            "a.eml",
            f"  content      {content(report())}",
            "  message id   <1@example.com>",
            "  sender       alice@example.com",
            "  subject      Hello",
            "  recipients   2",
            "    To        bob@example.net",
            "    Bcc       erin@example.com  (list staff@example.com)",
            "  reports      2",
            "    envelope       a.eml",
            "    envelope       b.eml",
        ]

    def test_everything(self) -> None:
        """Every fact has its line, and those on which reports disagree have one for each value."""
        put("x.eml", report(sender="", envelope_sender="", on_behalf_of="boss@example.com", subject="Bye"))
        put(
            "y.eml",
            report(
                Recipient("bob@example.net", display_name="Bob"),
                Recipient("dan@example.com", display_name="Dan"),
                format=ReportFormat.ENVELOPE_2003,
            ),
        )
        put("z.eml", report(Recipient("bob@example.net", Role.TO, forwarded_from="dan@example.com")))
        view = lines("a.eml", "x.eml", "y.eml", "z.eml")
        assert view[2:14] == [
            "  message id   <1@example.com>",
            "  sender       <>",
            "               alice@example.com",
            "  on behalf of boss@example.com",
            "  mail from    <>",
            "  subject      Bye",
            "               Hello",
            "  recipients   3",
            '    To        bob@example.net  ("Bob", 3 reports)',
            '    To        bob@example.net  ("Bob", forwarded by dan@example.com)',
            '    Recipient dan@example.com  ("Dan")',
            "  reports      4",
        ]
        assert sorted(view[14:]) == [*(f"    envelope       {name}.eml" for name in "axz"), "    envelope-2003  y.eml"]

    def test_claimed_by_a_header(self) -> None:
        """A recipient that only a header claims is marked as that."""
        put("copy.eml", b"Bcc: Eve <eve@example.org>\r\n" + ORIGINAL)
        view = lines("--format", "bcc", "copy.eml")
        assert [line for line in view if "@example.org" in line] == [
            '    Bcc       eve@example.org  ("Eve", claimed by a header)'
        ]

    def test_seen_in_several_reports(self) -> None:
        """A recipient that several reports name has their number."""
        put("d.eml", report(Recipient("bob@example.net"), id="<u@example.com>"))
        assert "    To        bob@example.net  (2 reports)" in lines("a.eml", "d.eml")

    def test_several_messages(self) -> None:
        """Each message has its own lines, with an empty one between."""
        put("d.eml", report(original=OTHER.replace(b"<1@", b"<2@"), message_id="<2@example.com>"))
        view = lines("a.eml", "d.eml")
        assert view.count("") == 1
        assert [line for line in view if line and line[0] != " "] == [
            name for _, name in sorted([(content(Path(name).read_bytes()), name) for name in ("a.eml", "d.eml")])
        ]

    def test_conflict(self) -> None:
        """Messages that share a Message-ID are separate and marked, and make exit status 1."""
        view = lines("a.eml", "b.eml", "c.eml", status=1)
        assert view.count("  conflict     another message has the same Message-ID") == 2
        assert view.count("  message id   <1@example.com>") == 2

    def test_no_conflict(self) -> None:
        """Messages without a Message-ID share none, and a report without content claims none."""
        put("d.eml", report(original=NAMELESS.replace(b"Hi", b"1"), message_id=""))
        put("e.eml", report(original=NAMELESS.replace(b"Hi", b"2"), message_id=""))
        put("f.eml", report(original=None))
        assert not [line for line in lines("a.eml", "d.eml", "e.eml", "f.eml") if "conflict" in line]

    def test_no_message_id(self) -> None:
        """A message without a Message-ID has no line for it."""
        put("d.eml", report(original=NAMELESS, message_id=""))
        assert not [line for line in lines("d.eml") if line.startswith("  message id")]

    def test_incomplete(self) -> None:
        """A message that no report holds whole is marked."""
        data = report()
        put("cut.eml", data[: data.rindex(b"\r\n--")])
        mark = "  incomplete   no report contains the complete message"
        assert mark in lines("cut.eml")
        assert mark not in lines("cut.eml", "a.eml")

    def test_no_content(self) -> None:
        """A report without content is merged with nothing else."""
        put("none.eml", report(original=None))
        view = lines("none.eml")
        assert view[:3] == [
            "none.eml",
            "  incomplete   no report contains the complete message",
            "  content      unknown",
        ]

    def test_equal_reports(self) -> None:
        """The same report in two files is one, and both files are named."""
        put("again.eml", report())
        view = lines("again.eml", "a.eml")
        assert view[0] == "a.eml"
        assert view[-2:] == ["    envelope       a.eml", "    envelope       again.eml"]

    def test_a_name_that_reads_like_a_note(self) -> None:
        """The display name of a stranger cannot imitate the notes about a recipient."""
        message = ORIGINAL.replace(b"To: bob@example.net", b'To: "list staff@example.com, 2 reports" <bob@example.net>')
        put("copy.eml", message)
        put(
            "list.eml",
            report(Recipient("bob@example.net", Role.TO, expanded_from="staff@example.com"), original=message),
        )
        put(
            "more.eml",
            report(
                Recipient("bob@example.net", Role.TO, expanded_from="staff@example.com"), id="<s@x>", original=message
            ),
        )
        (claimed,) = [line for line in lines("--format", "bcc", "copy.eml") if "bob@" in line]
        (true,) = [line for line in lines("list.eml", "more.eml") if "bob@" in line]
        assert true.removesuffix(")") not in claimed

    @pytest.mark.parametrize("text", HELD, ids=ascii)
    def test_control_characters(self, text: str) -> None:
        """Nothing in a report moves the cursor of a terminal."""
        value = f"a{text}b"
        put(
            "odd.eml",
            built(
                report=a_report(
                    sender=f"{value}@example.com",
                    recipients=[Recipient(f"{value}@example.com", expanded_from=f"{value}@example.net")],
                    subject=value,
                    on_behalf_of=f"{value}@example.org",
                    envelope_sender=f"{value}@example.org",
                )
            ),
        )
        put(
            "names.eml",
            built(
                report=a_report(recipients=[Recipient("bob@example.net", display_name=value)]),
                format=ReportFormat.ENVELOPE_2003,
            ),
        )
        for name in ("odd.eml", "names.eml"):
            outcome = run("merge", name)
            assert outcome.status == 0
            assert seen(outcome.out)
            assert outcome.err == ""

    @pytest.mark.skipif(sys.platform == "win32", reason="such names of files are not allowed there")
    @pytest.mark.parametrize("text", [one for one in UNSEEN if "/" not in one], ids=ascii)
    def test_control_characters_in_names(self, text: str) -> None:
        """Nothing in the name of a file does."""
        good, bad, none = f"a{text}b.eml", f"c{text}d.eml", f"e{text}f.eml"
        put(good, report())
        put(bad, b"no report")
        put(none, report(original=None))
        for words in ([], ["--report", *DATED, "--out", "there"]):
            outcome = run("merge", *words, good, bad, none)
            assert outcome.status == 1
            assert seen(outcome.out)
            assert seen(outcome.err)
        (found, _) = run("merge", "--json", good, none).objects
        assert found["files"] == [[good]]

    def test_poor_terminal(self) -> None:
        """A name that the terminal's charset lacks is shown escaped."""
        put("odd.eml", report(subject="Caf\xe9 \u2615"))
        outcome = run("merge", "odd.eml", encoding="ascii")
        assert (outcome.status, outcome.err) == (0, "")
        assert "Caf\\xe9 \\u2615" in outcome.data.decode("ascii")


class TestJson:
    """The output for programs."""

    def test_is_the_public_function(self) -> None:
        """Each line is the merged report as data, with the files of each report and whether there is a conflict."""
        found = objects("a.eml", "b.eml", "c.eml", status=1)
        expected = merge([parse_report(Path(f"{name}.eml").read_bytes()) for name in "abc"])
        assert tuple(MergedReport.from_dict(one) for one in found) == merge(found) == expected
        for one, merged in zip(found, expected, strict=True):
            assert one.pop("conflict") is True
            names = one.pop("files")
            assert [len(some) for some in names] == [1] * len(merged.reports)
            nothing = {"archive_defects": [], "undeliverable": None, "found": None}
            assert one.pop("sources") == [[{**Source(name).to_dict(), **nothing} for name in some] for some in names]
            assert one == merged.to_dict()

    def test_files(self) -> None:
        """The files come in the order of the reports, and a report in several files has them all."""
        put("again.eml", report())
        (found,) = objects("again.eml", "b.eml", "a.eml")
        assert found["files"] == [["again.eml", "a.eml"], ["b.eml"]]
        assert [one["report_id"] for one in found["reports"]] == ["<r@example.com>", "<s@example.com>"]
        assert found["conflict"] is False

    def test_order_of_files(self) -> None:
        """The order of the files changes nothing else."""
        one, other = (objects(*words, status=1) for words in (["a.eml", "b.eml", "c.eml"], ["c.eml", "b.eml", "a.eml"]))
        assert one == other

    def test_standard_input(self) -> None:
        """A dash is standard input."""
        (found,) = objects("-", "b.eml", stdin=report())
        assert found["files"] == [["-"], ["b.eml"]]
        assert len(found["recipients"]) == 2

    def test_no_content(self) -> None:
        """A report without content has none, is not complete, and is in no conflict."""
        put("none.eml", report(original=None))
        found = objects("none.eml", "a.eml")[-1]
        assert (found["content_sha256"], found["complete"], found["conflict"]) == (None, False, False)

    @pytest.mark.parametrize("format", ["bcc", "message-only"])
    def test_copies(self, format: str) -> None:
        """Copies are read if their format is given."""
        put("copy.eml", ORIGINAL)
        (found,) = objects("--format", format, "copy.eml")
        assert [(one["address"], one["evidence"]) for one in found["recipients"]] == [("bob@example.net", "header")]
        outcome = run("merge", "--json", "copy.eml")
        assert (outcome.status, outcome.data, len(outcome.messages)) == (1, b"", 1)

    def test_lost_marker(self) -> None:
        """A report that lost its marker is read if its format is given."""
        put("lost.eml", report().replace(b"X-MS-Journal-Report:\r\n", b""))
        assert run("merge", "--json", "lost.eml").status == 1
        (found,) = objects("--format", "envelope", "lost.eml")
        assert found["reports"][0]["marker"] == "grammar"
        assert "only in reports without a marker" in run("merge", "--format", "envelope", "lost.eml").out
        assert "anyone can send" in run("parse", "--format", "envelope", "lost.eml").out

    def test_conflict_by_one_of_several_ids(self) -> None:
        """Messages are in conflict that share one of their Message-IDs, and no others."""
        put("d.eml", report(original=ORIGINAL.replace(b"<1@", b"<2@"), message_id="<2@example.com>"))
        put("e.eml", report(original=OTHER.replace(b"<1@", b"<2@"), message_id="<2@example.com>"))
        third = ORIGINAL.replace(b"<1@", b"<3@").replace(b"Hi", b"He")
        put("f.eml", report(original=third, message_id="<3@example.com>"))
        found = {
            one["content_sha256"]: one["conflict"] for one in objects("a.eml", "d.eml", "e.eml", "f.eml", status=1)
        }
        assert found == {
            content(report()): True,
            content(report(original=OTHER)): True,
            content(report(original=third)): False,
        }


class TestBadFiles:
    """Files that cannot be used."""

    @pytest.mark.parametrize("words", [[], ["--json"], ["--report", *DATED]], ids=["view", "json", "report"])
    def test_no_report(self, words: list[str]) -> None:
        """A file that is not a report is named with the reason, and the others are merged."""
        put("bad.eml", b"Subject: x\r\n\r\nHi.\r\n")
        outcome = run("merge", *words, "a.eml", "bad.eml", "b.eml")
        assert (outcome.status, outcome.messages) == (
            1,
            ["bad.eml: not-a-report at offset 0: no marker: keep the message as it is"],
        )
        assert outcome.data == run("merge", *words, "a.eml", "b.eml").data

    @pytest.mark.parametrize("kind", UNREADABLE)
    @pytest.mark.parametrize("words", [[], ["--json"], ["--report", *DATED]], ids=["view", "json", "report"])
    def test_unreadable(self, kind: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that cannot be read is named, makes exit status 2, and ends nothing."""
        whole = run("merge", *words, "a.eml", "b.eml").data
        path = unusable(kind, monkeypatch)
        outcome = run("merge", *words, "a.eml", path, "b.eml")
        assert (outcome.status, len(outcome.messages), outcome.data) == (2, 1, whole)
        assert outcome.err.startswith(f"{path}: ")

    def test_conflict_and_unreadable(self) -> None:
        """The exit status is the highest of all."""
        assert run("merge", "a.eml", "missing.eml", "c.eml").status == 2
        assert run("merge", "a.eml", "c.eml").status == 1

    @pytest.mark.parametrize("words", [[], ["--json"], ["--report", *DATED]], ids=["view", "json", "report"])
    def test_nothing_left(self, words: list[str]) -> None:
        """Without a single report there is no output."""
        put("bad.eml", b"")
        outcome = run("merge", *words, "bad.eml")
        assert (outcome.status, outcome.data, len(outcome.messages)) == (1, b"", 1)

    def test_broken_standard_input(self) -> None:
        """Standard input that fails is a file that cannot be read."""
        outcome = run("merge", "-", "a.eml", stdin=Failing(OSError(errno.EIO, "Input/output error")))
        assert (outcome.status, outcome.messages) == (2, ["-: Input/output error"])
        assert outcome.out.startswith("a.eml\n")

    @pytest.mark.slow
    @pytest.mark.parametrize("words", [[], ["--json"]], ids=["view", "json"])
    @given(data=st.lists(any_bytes(), min_size=1, max_size=3))
    def test_any_bytes(self, words: list[str], data: list[bytes]) -> None:
        """For any files the command ends with an exit status and visible lines."""
        with TemporaryDirectory() as name:
            names = [put(Path(name, f"{number}.eml"), one) for number, one in enumerate(data)]
            outcome = run("merge", *words, *names)
        assert outcome.status in (0, 1)
        assert seen(outcome.out)
        assert seen(outcome.err)


class TestReport:
    """`--report`: one report for each message."""

    def test_is_the_public_function(self) -> None:
        """The report is the one that the library builds from the combined facts and the original."""
        merged = merge([parse_report(Path(name).read_bytes()) for name in ("a.eml", "c.eml")])
        assert len(merged) == 2
        put("d.eml", report("carol@example.com", id="<u@example.com>"))
        (one,) = merge([parse_report(Path(name).read_bytes()) for name in ("a.eml", "d.eml")])
        outcome = run("merge", "--report", *DATED, "a.eml", "d.eml")
        assert outcome == (0, build_report(one.combined(), ORIGINAL, domain="example.com", date=DATE), "")

    def test_every_recipient(self) -> None:
        """It names every recipient that a server wrote down, and holds the original as it was."""
        read = combined("a.eml", "b.eml")
        assert read.report.recipients == (BOB, ERIN)
        assert read.original_bytes() in (ORIGINAL, FORK)

    def test_order_of_files(self) -> None:
        """The same reports give the same report, in any order and with repetitions."""
        words = ["merge", "--report", *DATED]
        assert run(*words, "a.eml", "b.eml").data == run(*words, "b.eml", "a.eml", "b.eml").data

    def test_merged_again(self) -> None:
        """The combined report adds nothing when it is merged with what it came from."""
        put("all.eml", run("merge", "--report", *DATED, "a.eml", "b.eml").data)
        (before,), (after,) = objects("a.eml", "b.eml"), objects("a.eml", "b.eml", "all.eml")
        for one in (*before["recipients"], *after["recipients"]):
            del one["seen_in"]
        for name in ("content_sha256", "complete", "message_ids", "senders", "subjects", "recipients"):
            assert before[name] == after[name]

    def test_original_that_most_reports_hold(self) -> None:
        """The original is that which most of the reports hold."""
        put("d.eml", report("dan@example.com", id="<u@example.com>", original=FORK))
        put("e.eml", report("eve@example.com", id="<v@example.com>"))
        put("f.eml", report("fay@example.com", id="<w@example.com>"))
        assert combined("a.eml", "b.eml", "e.eml").original_bytes() == ORIGINAL
        assert combined("a.eml", "b.eml", "d.eml").original_bytes() == FORK

    def test_whole_original(self) -> None:
        """An original that is perhaps truncated never replaces a complete one."""
        for number in range(3):
            data = report(f"m{number}@example.com", original=FORK)
            put(f"cut{number}.eml", data[: data.rindex(b"\r\n--")])
        read = combined("a.eml", "cut0.eml", "cut1.eml", "cut2.eml")
        assert read.original_bytes() == ORIGINAL
        assert len(read.report.recipients) == 4

    def test_decrypted(self) -> None:
        """The decrypted copy of a protected message is kept."""
        put("clear.eml", report("dan@example.com", id="<u@example.com>", decrypted=OTHER))
        read = combined("a.eml", "clear.eml")
        assert read.decrypted is not None
        assert (read.original_bytes(), bytes(read.decrypted)) == (ORIGINAL, OTHER)
        assert len(read.report.recipients) == 2

    def test_decrypted_copies_that_differ(self) -> None:
        """A report can contain one decrypted copy, so two that differ are refused."""
        put("one.eml", report("dan@example.com", id="<u@example.com>", decrypted=OTHER))
        put("two.eml", report("eve@example.com", id="<v@example.com>", decrypted=OTHER.replace(b"Ho.", b"Forged.")))
        outcome = run("merge", "--report", *DATED, "one.eml", "two.eml")
        assert (outcome.status, outcome.data, len(outcome.messages)) == (1, b"", 1)

    def test_decrypted_copies_that_are_forks(self) -> None:
        """Decrypted copies that differ in what servers add are one."""
        put("one.eml", report("dan@example.com", id="<u@example.com>", decrypted=OTHER))
        put("two.eml", report("eve@example.com", id="<v@example.com>", decrypted=b"Received: by a\r\n" + OTHER))
        assert len(combined("one.eml", "two.eml").report.recipients) == 2

    def test_without_a_header(self) -> None:
        """If only the report's own header has the fields of a message, a combined report, which would lose them, is refused."""
        outer = b"From: alice@example.com\r\nTo: bob@example.net\r\nCc: erin@example.com\r\nReply-To: carol@x\r\n"
        put("bare.eml", outer + a_message(TEXT, b"Content-Type: message/rfc822\r\n\r\n\r\n" + BARE))
        (before,) = objects("bare.eml")
        outcome = run("merge", "--report", *DATED, "bare.eml")
        if outcome.status == 0:
            assert identify(parse_report(outcome.data)).content_sha256 == before["content_sha256"]
            assert b"Reply-To: carol@x" in outcome.data
        else:
            assert (outcome.status, outcome.data, len(outcome.messages)) == (1, b"", 1)

    @pytest.mark.parametrize(
        ("field", "other"),
        [
            ("sender", report(sender="mallory@example.com")),
            ("subject", report(subject="Bye")),
            ("message_id", report(original=ORIGINAL.replace(b"<1@", b"<2@"), message_id="<2@example.com>")),
        ],
        ids=["sender", "subject", "message id"],
    )
    def test_disagreement(self, field: str, other: bytes) -> None:
        """If reports disagree on a value that a report has once, the field is named, and nothing is written."""
        put("other.eml", other)
        outcome = run("merge", "--report", *DATED, "--out", "there", "a.eml", "other.eml")
        assert (outcome.status, outcome.data, len(outcome.messages)) == (1, b"", 1)
        assert outcome.err.startswith(f"a.eml: the reports cannot be combined: {field}: ")
        assert not Path("there").exists()

    def test_too_many_recipients(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If all recipients together are too many for one report, the message is named, and none is left out."""
        put("many.eml", report(*(f"{'m' * 40}{number}@example.com" for number in range(3)), id="<u@example.com>"))
        monkeypatch.setattr("exjournal.reports.assembly.REPORT_TEXT_LIMIT", 200)
        assert run("merge", "--report", *DATED, "a.eml").status == 0
        outcome = run("merge", "--report", *DATED, "a.eml", "many.eml")
        assert (outcome.status, outcome.data, len(outcome.messages)) == (1, b"", 1)
        assert outcome.err.startswith("a.eml: the reports cannot be combined: recipients: ")

    def test_claims_alone(self) -> None:
        """Copies alone give no combined report: their recipients are claims."""
        put("copy.eml", ORIGINAL)
        outcome = run("merge", "--report", *DATED, "--format", "bcc", "copy.eml")
        assert (outcome.status, outcome.data) == (1, b"")
        assert outcome.err.startswith("copy.eml: the reports cannot be combined: recipients: ")

    @pytest.mark.parametrize("which", ["cut", "none", "empty"])
    def test_not_whole(self, which: str) -> None:
        """A message that no report contains completely has no combined report."""
        data = report()
        contents = {
            "cut": data[: data.rindex(b"\r\n--")],
            "none": report(original=None),
            "empty": report(original=b""),
        }
        put("x.eml", contents[which])
        outcome = run("merge", "--report", *DATED, "x.eml")
        assert (outcome.status, outcome.data) == (1, b"")
        assert outcome.messages == ["x.eml: the reports cannot be combined: none of them contains the complete message"]

    def test_format(self) -> None:
        """A report without a marker is read a second time as it was the first time."""
        lost = report().replace(b"X-MS-Journal-Report:\r\n", b"")
        put("lost.eml", lost)
        outcome = run("merge", "--report", *DATED, "--format", "envelope", "lost.eml")
        assert (outcome.status, outcome.err) == (0, "")
        assert parse_report(outcome.data, strict=True).original_bytes() == ORIGINAL

    def test_date(self) -> None:
        """The date is the one given, and now without one."""
        assert combined("a.eml").headers.get("Date") == "Thu, 29 Feb 2024 12:30:45 +0000"
        before = datetime.now(UTC).replace(microsecond=0)
        date = parse_report(run("merge", "--report", "--domain", "example.com", "a.eml").data).headers.get("Date")
        assert date
        assert before <= datetime.strptime(date, "%a, %d %b %Y %H:%M:%S %z") <= datetime.now(UTC)

    def test_domain(self) -> None:
        """The domain is that of the system sender."""
        words = ["--domain", "example.org", *DATED[2:]]
        assert b"41109e@example.org>" in run("merge", "--report", *words, "a.eml").data

    @pytest.mark.parametrize("how", ["gone", "message", "no message"])
    def test_second_reading_fails(self, how: str) -> None:
        """A file that cannot be read again is named, and no report is written without its original."""
        change = {"gone": Path.unlink, "message": partial(Path.write_bytes, data=ORIGINAL)}.get(
            how, partial(Path.write_bytes, data=b"x")
        )
        outcome = run("merge", "--report", *DATED, "--out", "there", "a.eml", "-", stdin=Changing("a.eml", change))
        assert (outcome.status, len(outcome.messages)) == (2 if how == "gone" else 1, 2)
        assert outcome.messages[0] == "-: empty at offset 0"
        assert outcome.messages[1].startswith("a.eml: ")
        assert not Path("there").exists()

    @pytest.mark.parametrize("original", [OTHER, None], ids=["other", "none"])
    def test_second_reading_differs(self, original: bytes | None) -> None:
        """A file that holds another message when it is read again is named, and that message is not put in the place."""
        change = partial(Path.write_bytes, data=report(original=original))
        outcome = run("merge", "--report", *DATED, "--out", "there", "a.eml", "-", stdin=Changing("a.eml", change))
        assert (outcome.status, outcome.messages[1:]) == (1, ["a.eml: changed while it was read"])
        assert not Path("there").exists()

    def test_mailbox(self) -> None:
        """From a mailbox, one of several equal reports is taken, and other mail is counted once."""
        put("x.mbox", b"".join(b"From a\n" + one + b"\n" for one in (report(), ORIGINAL, report(), report(ERIN))))
        outcome = run("merge", "--report", *DATED, "x.mbox")
        assert (outcome.status, outcome.err) == (0, "other messages: 1 (not-a-report 1)\n")
        assert len(parse_report(outcome.data, strict=True).report.recipients) == 2

    def test_what_a_mailbox_changed(self) -> None:
        """An original that a mailbox file may have changed is used only if there is no other, with a warning."""
        quoted = ORIGINAL + b">From here on.\r\n"
        put("x.mbox", b"From a\n" + report(original=quoted) + b"\n")
        outcome = run("merge", "--report", *DATED, "x.mbox")
        assert outcome.status == 0
        assert outcome.messages == [
            "x.mbox@7: mbox-quoting: lines that begin with >From: 1, left, as the variant is not known"
        ]
        put("z.eml", report(original=quoted))
        outcome = run("merge", "--report", *DATED, "x.mbox", "z.eml")
        assert (outcome.status, outcome.err) == (0, "")
        assert parse_report(outcome.data).original_bytes() == quoted

    def test_second_reading_misses(self) -> None:
        """A message that is not in its mailbox any more is named."""
        put("x.mbox", b"From a\n" + report() + b"\nFrom b\n" + report("dan@example.com", original=OTHER))
        at = Path("x.mbox").read_bytes().index(b"From b\n") + 7
        change = partial(Path.write_bytes, data=b"From a\n" + report() + b"\n")
        outcome = run("merge", "--report", *DATED, "--out", "there", "x.mbox", "-", stdin=Changing("x.mbox", change))
        assert outcome.status == 1
        assert outcome.messages[-1] == f"x.mbox@{at}: changed while it was read"
        assert listed("there") == [f"{content(report())}.eml"]

    def test_standard_input(self) -> None:
        """Standard input is kept until it has been read a second time."""
        assert combined("-", "b.eml", stdin=report()).to_dict() == combined("a.eml", "b.eml").to_dict()
        other = report(original=OTHER.replace(b"<1@", b"<2@"), message_id="<2@example.com>")
        mailbox = b"From a\n" + report() + b"\nFrom b\n" + other + b"\n"
        outcome = run("merge", "--report", *DATED, "--out", "there", "-", stdin=mailbox)
        assert (outcome.status, outcome.err) == (0, "")
        assert listed("there") == sorted(f"{content(one)}.eml" for one in (report(), other))

    @pytest.mark.slow
    @given(st.lists(readable(), min_size=1, max_size=2), st.booleans())
    def test_any_reports(self, parsed: list[ParsedReport], both: bool) -> None:
        """Every combined report has the content by which it is named, and the recipients that servers wrote down."""
        with TemporaryDirectory() as name:
            names = []
            for number, one in enumerate(parsed):
                original = one.original_bytes() or ORIGINAL if both else ORIGINAL
                if one.recipients_from is Evidence.ENVELOPE and one.report.recipients:
                    data = built(original, report=one.report)
                    names.append(put(Path(name, f"{number}.eml"), data))
            if not names:
                return
            out = Path(name, "out")
            outcome = run("merge", "--report", *DATED, "--out", out, *names)
            assert outcome.status in (0, 1)
            expected = {one.content_sha256: one for one in merge(parse_report(path.read_bytes()) for path in names)}
            written = sorted(out.iterdir()) if out.exists() else []
            assert written or outcome.status == 1
            for path in written:
                read = parse_report(path.read_bytes())
                assert identify(read).content_sha256 == path.stem
                assert read.report.recipients
                assert {(one.address, one.role) for one in read.report.recipients} == {
                    (one.address, one.role) for one in expected[path.stem].recipients
                }


class Changing(io.BytesIO):
    """Standard input with nothing in it, that changes a file when it is read: between the two readings of that file."""

    def __init__(self, name: str, change: Callable[[Path], object]) -> None:
        super().__init__()
        self.name_, self.change = name, change

    def read(self, _: int | None = None, /) -> bytes:
        """Change the file."""
        self.change(Path(self.name_))
        return b""


class TestOut:
    """`--out`: a folder of combined reports."""

    def write(self, *words: str | Path) -> Outcome:
        """Write the combined reports of the files into a folder."""
        return run("merge", "--report", *DATED, "--out", "there", *words)

    def test_one_file_a_message(self) -> None:
        """Each message has a file that is named by its content."""
        put("d.eml", report(original=OTHER.replace(b"<1@", b"<2@"), message_id="<2@example.com>"))
        assert self.write("a.eml", "b.eml", "d.eml") == (0, b"", "")
        assert listed("there") == sorted(f"{content(Path(name).read_bytes())}.eml" for name in ("a.eml", "d.eml"))
        data = Path("there", f"{content(report())}.eml").read_bytes()
        assert data == run("merge", "--report", *DATED, "a.eml", "b.eml").data

    def test_conflict(self) -> None:
        """Messages that share a Message-ID are both written, and reported."""
        outcome = self.write("a.eml", "c.eml")
        assert (outcome.status, outcome.data) == (1, b"")
        assert sorted(outcome.messages) == [
            f"{name}: another message has the same Message-ID" for name in ("a.eml", "c.eml")
        ]
        assert len(listed("there")) == 2

    def test_one_that_cannot_be_combined(self) -> None:
        """A message that cannot be combined keeps no other from being written."""
        put("none.eml", report(original=None))
        outcome = self.write("none.eml", "a.eml")
        assert (outcome.status, len(outcome.messages)) == (1, 1)
        assert listed("there") == [f"{content(report())}.eml"]

    def test_there_already(self) -> None:
        """A file that is there stays as it is, unless it is forced."""
        path = put(f"there/{content(report())}.eml", b"kept")
        outcome = self.write("a.eml")
        assert (outcome.status, len(outcome.messages), path.read_bytes()) == (1, 1, b"kept")
        assert "--force" in outcome.err
        assert self.write("--force", "a.eml") == (0, b"", "")
        assert parse_report(path.read_bytes(), strict=True).original_bytes() == ORIGINAL

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    def test_no_folder(self, force: list[str]) -> None:
        """A file in the place of the folder is named and stays."""
        put("there", b"kept")
        outcome = self.write(*force, "a.eml")
        assert (outcome.status, len(outcome.messages), Path("there").read_bytes()) == (2, 1, b"kept")
        assert outcome.err.startswith("there")

    def test_dash(self) -> None:
        """A dash is standard output."""
        outcome = run("merge", "--report", *DATED, "--out", "-", "a.eml")
        assert outcome == run("merge", "--report", *DATED, "a.eml")
        assert parse_report(outcome.data).original_bytes() == ORIGINAL

    def test_part_is_kept(self) -> None:
        """The input files stay as they are."""
        before = files()
        assert self.write("a.eml", "b.eml").status == 0
        assert {name: data for name, data in files().items() if not name.startswith("there")} == before


class TestStreams:
    """The streams for lines and bytes."""

    @pytest.mark.parametrize("words", [["--json"], ["--report", *DATED]], ids=["json", "report"])
    def test_bytes(self, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A combined report keeps its line ends on standard output, and a line of data ends in one."""
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
        monkeypatch.setattr("sys.stdout", out)
        assert main(["merge", *words, "a.eml"]) == 0
        out.flush()
        data = out.detach().getvalue()
        if words == ["--json"]:
            assert json.loads(data)["files"] == [["a.eml"]]
            assert data.count(b"\n") == 1
        else:
            assert data == built(report=a_report(recipients=[BOB]), report_id=parse_report(data).report_id)

    def test_part_of_another(self) -> None:
        """A report about a report is merged as what it is, and its layers stay apart."""
        put("outer.eml", report(original=report(), message_id="<r@example.com>"))
        found = objects("a.eml", "outer.eml")
        assert sorted(one["reports"][0]["identity"]["nested"] for one in found) == [False, True]

    def test_with_a_part_more(self) -> None:
        """Further parts make another statement on the same message."""
        put("more.eml", a_message(TEXT, PART, b"Content-Type: text/plain\r\n\r\nA disclaimer.\r\n"))
        (found,) = objects("a.eml", "more.eml")
        assert len(found["reports"]) == 2
