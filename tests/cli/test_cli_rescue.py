"""`exjournal unwrap --undeliverable`: reports inside bounces, and who refused them."""

import errno
import json
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from cli_helpers import (
    FULL,
    JOURNAL,
    REPORT,
    UNREADABLE,
    UNSEEN,
    Outcome,
    files,
    fill_disk,
    listed,
    put,
    run,
    seen,
    status,
    unusable,
)
from hypothesis import given
from hypothesis import strategies as st

from strategies import HEAVY, ORIGINAL, built

REFUSED = f"     1  {JOURNAL}  failed  5.2.2  {FULL}"
REPORT_FILE = "r@example.com.eml"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test of this module works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def a_bounce(*statuses: bytes, inside: bytes = REPORT, type_: bytes = b"message/rfc822") -> bytes:
    """A bounce that attaches something, with the delivery status of some mailboxes."""
    notification = b"Reporting-MTA: dns; mx.example.com\r\n\r\n" + b"".join(statuses or [status()])
    parts = [b"text/plain\r\n\r\nIt could not be delivered.\r\n", b"message/delivery-status\r\n\r\n" + notification]
    parts.append(type_ + b"\r\n\r\n" + inside)
    return (
        b"From: <postmaster@example.com>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=bounce\r\n\r\n"
        + b"".join([b"--bounce\r\nContent-Type: " + part + b"\r\n" for part in parts])
        + b"--bounce--\r\n"
    )


def with_id(report_id: bytes | str, original: bytes = ORIGINAL) -> bytes:
    """A report with any bytes as its id."""
    encoded = report_id if isinstance(report_id, bytes) else report_id.encode()
    return built(original).replace(b"<r@example.com>", encoded)


def rescue(*names: str | Path, out: str = "there", stdin: bytes = b"") -> Outcome:
    """Unwrap bounces."""
    return run("unwrap", "--undeliverable", *names, "--out", out, stdin=stdin)


def rescued(folder_: str = "there") -> dict[str, bytes]:
    """The reports extracted from bounces, by name."""
    return {path.name: path.read_bytes() for path in Path(folder_).iterdir()}


HEADER_ONLY = REPORT[: REPORT.index(b"\r\n\r\n") + 2]
HOSTILE_IDS = {
    "slashes": "<../../../etc/x@example.com>",
    "root": "</r@example.com>",
    "up": "<..>",
    "here": "<.>",
    "here with a slash": "<./>",
    "up with a slash": "<../>",
    "backslashes": "<..\\..\\r@example.com>",
    "drive": "<C:r@example.com>",
    "empty": "",
    "brackets": "<>",
    "many brackets": "<<>><",
    "blank": "< >",
    "long": f"<{'r' * 5000}@example.com>",
    "long and not ASCII": f"<{chr(0x4E2D) * 3000}@example.com>",
    "control": "<\x1b[2Jr\x07\x7f@example.com>",
    "nul": "<r\0/../x@example.com>",
    "fold": "<r\r\n\t../x@example.com>",
    "not ASCII": "<\u00e9\u202e\u4e2d@example.com>",
    "wild": "<*?$(x)`x`;|&'\"@example.com>",
    "words": "r@example.com and more",
    "comment": "<r@example.com> (../x)",
}


class TestUndeliverable:
    """`unwrap --undeliverable`: the reports out of bounces, and who refused them."""

    def test_byte_for_byte(self) -> None:
        """The report comes out unchanged, named after its id, and standard output shows who refused it and why."""
        put("b.eml", a_bounce())
        assert rescue("b.eml") == (0, f"{REFUSED}\n".encode(), "")
        assert files() == {"b.eml": a_bounce(), f"there/{REPORT_FILE}": REPORT}

    @pytest.mark.parametrize("file", ["b.eml", "-"])
    def test_standard_output(self, file: str) -> None:
        """A dash writes the one report to standard output; then standard error shows the refusal."""
        put("b.eml", a_bounce())
        outcome = rescue(file, out="-", stdin=b"" if file == "b.eml" else a_bounce())
        assert outcome == (0, REPORT, f"{REFUSED}\n")
        assert list(files()) == ["b.eml"]

    def test_standard_output_takes_one(self) -> None:
        """Reports of several bounces are never run together on standard output."""
        put("a.eml", a_bounce())
        outcome = rescue("a.eml", "a.eml", out="-")
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: --out - takes only one file")

    @pytest.mark.parametrize("option", [["--clean"], ["--force"], ["--format", "envelope"]], ids=lambda words: words[0])
    def test_misuse(self, option: list[str]) -> None:
        """An option that has no use here is named, with exit status 2, and nothing is written."""
        put("b.eml", a_bounce())
        outcome = run("unwrap", "--undeliverable", "b.eml", "--out", "there", *option)
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"exjournal: {' '.join(option)} cannot be combined with --undeliverable")
        assert list(files()) == ["b.eml"]

    def test_copies(self) -> None:
        """With the format of a copy, any message that bounced comes out unchanged."""
        copy = b"From: ann@example.com\r\nBcc: hidden@example.org\r\nMessage-ID: <1@example.com>\r\n\r\nHi.\r\n"
        put(
            "b.eml",
            b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + copy,
        )
        with Path("b.eml").open("ab") as file:
            file.write(b"\r\n--b--\r\n")
        outcome = run("unwrap", "--undeliverable", "--format", "bcc", "b.eml", "--out", "there")
        assert outcome.status == 0
        assert files()["there/1@example.com.eml"] == copy

    @pytest.mark.parametrize("kind", [b"message/rfc822", b"text/rfc822-headers"])
    def test_another_report(self, kind: bytes) -> None:
        """A second report in a bounce is named with its offset, and the exit status says that there is more."""
        other = REPORT.replace(b"<r@example.com>", b"<other@example.com>")
        data = a_bounce(inside=REPORT + b"\r\n--bounce\r\nContent-Type: " + kind + b"\r\n\r\n" + other, type_=kind)
        put("b.eml", data)
        outcome = rescue("b.eml")
        place = data.index(other)
        assert outcome.status == 1
        assert outcome.messages[0] == (
            f"b.eml: another-report at offset {place}: the bounce contains another report, which is not written"
        )
        assert len(outcome.messages) == (1 if kind == b"message/rfc822" else 2)

    def test_seals(self) -> None:
        """With a secret a line for each report says whether its seal is verified; only a verified one makes no exit status."""
        secret = b"the first secret of the house"
        put("secret", secret)
        sealed = built(secret=secret)
        put("1.eml", a_bounce(inside=sealed))
        put("2.eml", a_bounce())
        put("3.eml", a_bounce(inside=sealed.replace(b"Hello", b"Other")))
        for name, line, status_ in (("1", "seal verified", 0), ("2", "unsealed", 1), ("3", "seal broken", 1)):
            outcome = run("unwrap", "--undeliverable", "--secret-file", "secret", f"{name}.eml", "--out", name)
            assert (outcome.status, outcome.out.splitlines()[0]) == (status_, f"{name}.eml: {line}")
        outcome = run("unwrap", "--undeliverable", "--secret-file", "secret", "1.eml", "--out", "-")
        assert (outcome.data, outcome.messages[0]) == (sealed, "1.eml: seal verified")
        assert run("unwrap", "--undeliverable", "--secret-file", "none", "1.eml", "--out", "-").status == 2
        assert run("unwrap", "--secret-file", "secret", "1.eml", "--out", "there").status == 2

    def test_a_verified_seal_proves_that_a_report_is_complete(self) -> None:
        """A notice at the end of a report is that of its author where the seal is verified."""
        secret = b"the first secret of the house"
        put("secret", secret)
        put("b.eml", a_bounce(inside=built(ORIGINAL + b"\r\nMessage truncated.\r\n", secret=secret)))
        assert rescue("b.eml").messages == ["b.eml: the report inside is perhaps truncated"]
        outcome = run("unwrap", "--undeliverable", "--secret-file", "secret", "b.eml", "--out", "other")
        assert (outcome.status, outcome.err) == (0, "")

    def test_found_elsewhere(self) -> None:
        """A report in a plain text is written with its bounce, and a message says where it was."""
        line = b"--- Below this line is a copy of the message."
        data = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@example.net\r\n\r\nNo.\r\n" + line + b"\r\n\r\n" + REPORT
        put("b.eml", data)
        outcome = rescue("b.eml")
        warning = f"b.eml: found-elsewhere at offset {data.index(line)}: the report is in the text of the bounce"
        assert (outcome.status, outcome.messages) == (1, [warning])
        assert rescued() == {REPORT_FILE: REPORT, REPORT_FILE.replace(".eml", ".bounce.eml"): data}
        found = json.loads(run("parse", "--undeliverable", "--json", "b.eml").out)
        assert (found["found"], found["undeliverable"]) == ("text", [])

    def test_damaged_report(self) -> None:
        """A report that is damaged itself comes out unchanged, with a warning that it does not parse."""
        damaged = b"X-MS-Journal-Report:\r\nMessage-ID: <r@example.com>\r\n\r\n\xff\0no parts"
        put("b.eml", a_bounce(inside=damaged))
        outcome = rescue("b.eml")
        assert (outcome.status, len(outcome.messages)) == (1, 1)
        assert outcome.err.startswith("b.eml: the report inside does not parse: report-text-missing")
        assert rescued() == {REPORT_FILE: damaged}

    def test_perhaps_truncated(self) -> None:
        """A report that is perhaps truncated is written, with a warning."""
        put("b.eml", a_bounce()[:-40])
        outcome = rescue("b.eml")
        assert (outcome.status, outcome.messages) == (1, ["b.eml: the report inside is perhaps truncated"])
        assert REPORT.startswith(rescued()[REPORT_FILE])

    @pytest.mark.parametrize("kept", [len(HEADER_ONLY) + 2, -60], ids=["header", "most of it"])
    def test_cut_by_the_server(self, kept: int) -> None:
        """A report that a server cut before it put it into a complete bounce is written, with the same warning."""
        put("b.eml", a_bounce(inside=REPORT[:kept]))
        outcome = rescue("b.eml")
        assert rescued() == {REPORT_FILE: REPORT[:kept]}
        assert len(outcome.messages) == 1
        assert outcome.err.startswith("b.eml: ")

    def test_no_bounce(self) -> None:
        """A report outside a bounce is written unchanged, and nobody refused it."""
        put("r.eml")
        assert rescue("r.eml") == (0, b"", "")
        assert rescued() == {REPORT_FILE: REPORT}

    def test_bounce_of_a_bounce(self) -> None:
        """If the alternate mailbox refused the bounce, both refusals are shown."""
        inner = a_bounce()
        put("b.eml", a_bounce(status("alternate@example.com", "no such user", code="5.1.1"), inside=inner))
        outcome = rescue("b.eml")
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out.split("\n") == ["     1  alternate@example.com  failed  5.1.1  no such user", REFUSED, ""]
        assert rescued() == {REPORT_FILE: REPORT}

    @pytest.mark.parametrize("out", ["there", "-"])
    def test_header_only(self, out: str) -> None:
        """If a bounce has only the report's header, its id and the refusals are shown; there is nothing to write."""
        put("b.eml", a_bounce(inside=HEADER_ONLY, type_=b"text/rfc822-headers"))
        outcome = rescue("b.eml", out=out)
        expected = "b.eml: contains only the header of the report <r@example.com>"
        assert outcome.status == 1
        assert (outcome.out + outcome.err).split("\n") == (
            [expected, REFUSED, ""] if out == "-" else [REFUSED, expected, ""]
        )
        assert list(files()) == ["b.eml"]

    def test_header_only_without_an_id(self) -> None:
        """If that header has no id, the sentence is complete without it."""
        put("b.eml", a_bounce(inside=b"X-MS-Journal-Report:\r\n", type_=b"text/rfc822-headers"))
        outcome = rescue("b.eml")
        assert outcome.status == 1
        assert outcome.messages[0].startswith("b.eml: contains only the header of ")
        assert not outcome.messages[0].endswith(" ")

    @pytest.mark.parametrize("out", ["there", "-"])
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (a_bounce(inside=ORIGINAL), "no-report-inside"),
            (a_bounce(inside=b"Subject: x\r\n", type_=b"text/rfc822-headers"), "no-report-inside"),
            (ORIGINAL, "not-a-report"),
            (b"", "empty"),
            (b"\xff\0" * 100, "not-a-report"),
            (b"X: y\r\n" * 100_000 + b"\r\n", "header-too-large"),
        ],
    )
    def test_no_report_inside(self, data: bytes, code: str, out: str) -> None:
        """A bounce without a report is named with the reason, on standard error, with exit status 1; nothing is written."""
        put("b.eml", data)
        outcome = rescue("b.eml", out=out)
        assert (outcome.status, outcome.data) == (1, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"b.eml: {code} at offset ")
        assert list(files()) == ["b.eml"]

    @pytest.mark.parametrize("kind", UNREADABLE)
    def test_unreadable(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that cannot be read is named, with exit status 2."""
        path = unusable(kind, monkeypatch)
        outcome = rescue(path)
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"{path}: ")
        assert not Path("there").exists()

    def test_several(self) -> None:
        """Each file is processed independently; failures are named, and the highest status counts."""
        put("1.eml", a_bounce(inside=with_id("<1@example.com>")))
        put("2.eml", a_bounce(inside=ORIGINAL))
        put("3.eml", a_bounce(inside=HEADER_ONLY, type_=b"text/rfc822-headers"))
        put("4.eml", a_bounce(inside=with_id("<4@example.com>")))
        outcome = rescue(
            "1.eml", "2.eml", "missing.eml", "3.eml", "-", stdin=a_bounce(inside=with_id("<5@example.com>"))
        )
        assert outcome.status == 2
        assert [line.partition(": ")[0] for line in outcome.messages] == ["2.eml", "missing.eml", "3.eml"]
        assert rescued().keys() == {"1@example.com.eml", "5@example.com.eml"}
        assert rescue("2.eml", "4.eml").status == 1
        assert rescued().keys() == {"1@example.com.eml", "4@example.com.eml", "5@example.com.eml"}

    @pytest.mark.slow
    def test_many(self) -> None:
        """Every report of many bounces comes out, and the summary has one line for all and one for their refusals."""
        names = [put(f"in/{number}.eml", a_bounce(inside=with_id(f"<{number}@example.com>"))) for number in range(300)]
        expected = f"300 bounces: 300 written\n   300  {JOURNAL}  failed  5.2.2  {FULL}\n"
        assert rescue(*names) == (0, expected.encode(), "")
        assert rescued() == {f"{number}@example.com.eml": with_id(f"<{number}@example.com>") for number in range(300)}


class TestRefusals:
    """The summary of `unwrap --undeliverable`: which journal mailbox refused how many reports, and why."""

    def summary(self, *statuses: list[bytes]) -> list[str]:
        """The summary of a run over bounces with these delivery statuses."""
        names = [
            put(f"{number}.eml", a_bounce(*one, inside=with_id(f"<{number}@example.com>")))
            for number, one in enumerate(statuses)
        ]
        outcome = rescue(*names)
        assert (outcome.status, outcome.err) == (0, "")
        lines = outcome.out.split("\n")[:-1]
        if len(names) > 1:
            assert lines.pop(0) == f"{len(names)} bounces: {len(names)} written"
        return lines

    def test_order(self) -> None:
        """The most frequent refusal comes first; equal ones, and the answers to choose from, are in alphabetical order."""
        other = status("other@example.com", "no such user", code="5.1.1")
        last = status("z@example.com", "no such user", code="5.1.1")
        assert self.summary([status(answer="b")], [last], [other], [other], [other], [status(answer="a")], [last]) == [
            "     3  other@example.com  failed  5.1.1  no such user",
            f"     2  {JOURNAL}  failed  5.2.2  a  (one of 2 answers)",
            "     2  z@example.com  failed  5.1.1  no such user",
        ]

    def test_several_mailboxes_of_one_bounce(self) -> None:
        """A bounce can be about several mailboxes, each of which refused the report."""
        assert self.summary([status(), status("other@example.com")], [status()]) == [
            f"     2  {JOURNAL}  failed  5.2.2  {FULL}",
            f"     1  other@example.com  failed  5.2.2  {FULL}",
        ]

    def test_same_words_twice(self) -> None:
        """A refusal that is in one bounce twice counts once."""
        assert self.summary([status(), status()]) == [REFUSED]

    def test_nothing_said(self) -> None:
        """A bounce that says nothing of a mailbox gives no line."""
        assert self.summary([b"X-Other: y\r\n"]) == []

    @pytest.mark.parametrize(
        ("said_", "line"),
        [
            (b"Status: 5.0.0\r\n", "     1  ?  5.0.0"),
            (b"Action: FAILED\r\n", "     1  ?  failed"),
            (b"Final-Recipient: rfc822; journal@example.com\r\n", f"     1  {JOURNAL}"),
        ],
    )
    def test_little_said(self, said_: bytes, line: str) -> None:
        """Missing facts of a bounce are left out, except the mailbox, whose place is kept."""
        assert self.summary([said_]) == [line]

    def test_original_recipient(self) -> None:
        """A mailbox that only its first address names is shown with that."""
        said_ = b"Original-Recipient: rfc822; journal@example.com\r\nAction: failed\r\nStatus: 5.0.0\r\n"
        assert self.summary([said_]) == [f"     1  {JOURNAL}  failed  5.0.0"]

    def test_same_line_twice(self) -> None:
        """Refusals that read the same are counted on one line, though bounces differ in what the line does not say."""
        first, second = (status(more=f"Remote-MTA: dns; mx{number}.example.com\r\n") for number in (1, 2))
        assert self.summary([first], [second]) == [f"     2  {JOURNAL}  failed  5.2.2  {FULL}"]

    def test_answers_with_a_number_of_their_own(self) -> None:
        """A summary stays one where the server puts a queue id into every answer."""
        answers = [[status(answer=f"{FULL} (queue id {number:08x})")] for number in range(20)]
        found = self.summary(*answers)
        assert len(found) < 20
        assert found[0].startswith(f"    20  {JOURNAL}  failed  5.2.2  {FULL}")

    def test_long_answer(self) -> None:
        """A long answer is cut for the terminal."""
        (line,) = self.summary([status(answer="a" * 5000)])
        assert line == f"     1  {JOURNAL}  failed  5.2.2  {'a' * 200}\u2026"

    def test_very_many_mailboxes(self) -> None:
        """Beyond a hundred lines the rest is counted."""
        lines = self.summary([status(f"{number:03}@example.com") for number in range(150)])
        assert len(lines) == 101
        assert lines[-1] == "and 50 more mailboxes and codes"

    @pytest.mark.parametrize("action", ["delayed", "delivered", "relayed"])
    def test_not_refused(self, action: str) -> None:
        """A report that is still on its way, or has arrived, is written, with a warning that it may arrive twice."""
        put("b.eml", a_bounce(status().replace(b"failed", action.encode())))
        outcome = rescue("b.eml")
        assert (outcome.status, len(outcome.messages)) == (1, 1)
        assert "twice" in outcome.err
        assert rescued() == {REPORT_FILE: REPORT}

    @pytest.mark.parametrize("character", UNSEEN, ids=ascii)
    @pytest.mark.parametrize("out", ["there", "-"])
    def test_terminal(self, out: str, character: str) -> None:
        """Nothing that a server or a stranger wrote into a bounce acts on the terminal."""
        text = f"a{character}b"
        bad = status(f"{text}@example.com", f"550 {text}", code=text).replace(b"failed", text.encode())
        put("whole.eml", a_bounce(bad, inside=with_id(f"<{text}@example.com>")))
        header = HEADER_ONLY.replace(b"<r@example.com>", f"<{text}@example.com>".encode())
        put("header.eml", a_bounce(bad, inside=header, type_=b"text/rfc822-headers"))
        for name in ("whole.eml", "header.eml"):
            outcome = rescue(name, out=out)
            talk = outcome.err if out == "-" else outcome.out + outcome.err
            assert "@example.com" in talk
            assert seen(talk)


class TestRescuedFiles:
    """The files that `unwrap --undeliverable` writes: named after the report's id, and never over another."""

    @pytest.mark.parametrize("report_id", HOSTILE_IDS.values(), ids=HOSTILE_IDS.keys())
    def test_hostile_id(self, report_id: str) -> None:
        """For any id, the report is one file of the folder, with a plain name that ends in .eml."""
        report = with_id(report_id)
        put("in/deep/b.eml", a_bounce(inside=report))
        outcome = rescue("in/deep/b.eml", out="in/deep/there")
        assert (outcome.status, outcome.err) == (0, "")
        (name,) = listed("in/deep/there")
        assert re.fullmatch(r"[A-Za-z0-9@._-]{1,200}\.eml", name)
        assert files() == {"in/deep/b.eml": a_bounce(inside=report), f"in/deep/there/{name}": report}

    @HEAVY
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=400), st.booleans())
    def test_any_id(self, text: str, is_bracketed: bool) -> None:
        """Nothing that an id holds leads out of the folder, and a second run writes nothing new."""
        report = with_id(f"<{text}>" if is_bracketed else text)
        with TemporaryDirectory(dir=".") as scratch:
            out = Path(scratch, "in", "there")
            for _ in range(2):
                assert rescue("-", out=str(out), stdin=a_bounce(inside=report)).status == 0
                found = {path: path.read_bytes() for path in Path(scratch).rglob("*") if path.is_file()}
                (path,) = found
                assert path.parent == out
                assert found[path] == report

    @pytest.mark.parametrize("report_id", ["", "<>", "<..>", "<_._>", "< >"])
    def test_no_id(self, report_id: str) -> None:
        """A report without a usable character in its id has a fixed name."""
        put("b.eml", a_bounce(inside=with_id(report_id)))
        rescue("b.eml")
        assert listed("there") == ["report-without-id.eml"]

    @pytest.mark.parametrize(
        ("report_id", "name"),
        [
            ("<A.b-c_d@Example.com>", "A.b-c_d@Example.com.eml"),
            ("<a/b@example.com>", "a_b@example.com.eml"),
            (f"<{'r' * 400}@example.com>", f"{'r' * 150}.eml"),
            ("a@example.com", "a@example.com.eml"),
        ],
    )
    def test_name(self, report_id: str, name: str) -> None:
        """The name is the id without its brackets, with a low line for each unusable character, cut if it is long."""
        put("b.eml", a_bounce(inside=with_id(report_id)))
        rescue("b.eml")
        assert listed("there") == [name]

    @pytest.mark.parametrize("report_id", ["<.hidden@example.com>", "<../../x@example.com>", "<-rf@example.com>"])
    def test_visible(self, report_id: str) -> None:
        """No name begins with a dot or a dash: `*.eml` finds every report, and no name looks like an option."""
        put("b.eml", a_bounce(inside=with_id(report_id)))
        assert rescue("b.eml").status == 0
        (name,) = listed("there")
        assert name[0] not in ".-"

    def test_same_id_other_bytes(self) -> None:
        """Reports that share an id are all kept, with a number each, in any order."""
        reports = [with_id("<r@example.com>", b"Subject: %d\r\n\r\n" % number) for number in range(4)]
        names = [put(f"{number}.eml", a_bounce(inside=report)) for number, report in enumerate(reports)]
        assert rescue(*names[:2]).status == 0
        assert rescue(*names[2:]).status == 0
        assert rescued() == {
            REPORT_FILE: reports[0],
            "r@example.com-2.eml": reports[1],
            "r@example.com-3.eml": reports[2],
            "r@example.com-4.eml": reports[3],
        }

    @pytest.mark.parametrize("other_id", ["<r@example.org>", "<r@example_com>", "<r@example/com>"])
    def test_ids_of_one_name(self, other_id: str) -> None:
        """Two ids that make one name make two files."""
        put("1.eml", a_bounce(inside=with_id("<r@example:com>")))
        put("2.eml", a_bounce(inside=with_id(other_id)))
        assert rescue("1.eml", "2.eml").status == 0
        assert sorted(rescued().values()) == sorted([with_id("<r@example:com>"), with_id(other_id)])

    def test_id_like_a_numbered_name(self) -> None:
        """An id that reads like a numbered name takes no other report's place."""
        reports = [with_id("<r>"), with_id("<r-2>"), with_id("<r>", b"another"), with_id("<r-2>", b"another")]
        names = [put(f"{number}.eml", a_bounce(inside=report)) for number, report in enumerate(reports)]
        assert rescue(*names).status == 0
        assert sorted(rescued().values()) == sorted(reports)

    def test_same_bytes(self) -> None:
        """A report that already exists, byte for byte, is counted and not written again; the run does not fail."""
        put("b.eml", a_bounce())
        put("c.eml", a_bounce(status("other@example.com")))
        rescue("b.eml")
        before = files()
        outcome = rescue("b.eml", "c.eml")
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out.split("\n")[0] == "2 bounces: 2 there already"
        assert outcome.out.count("\n") == 3
        assert files() == before

    def test_same_bytes_under_a_number(self) -> None:
        """One that is there under a number is found as well."""
        first, second = with_id("<r@example.com>", b"1"), with_id("<r@example.com>", b"2")
        put("1.eml", a_bounce(inside=first))
        put("2.eml", a_bounce(inside=second))
        rescue("1.eml", "2.eml")
        outcome = rescue("2.eml", "1.eml")
        assert outcome.status == 0
        assert rescued() == {REPORT_FILE: first, "r@example.com-2.eml": second}

    @pytest.mark.parametrize(
        "there", [b"", b"kept", REPORT[:-1], REPORT[:-1] + b"x"], ids=["empty", "short", "cut", "size"]
    )
    def test_never_over_another(self, there: bytes) -> None:
        """An existing file is not changed, and the report gets another name."""
        put(f"there/{REPORT_FILE}", there)
        put("b.eml", a_bounce())
        assert rescue("b.eml").status == 0
        assert rescued() == {REPORT_FILE: there, "r@example.com-2.eml": REPORT}

    @pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
    def test_no_file_in_its_place(self, kind: str) -> None:
        """A folder or a dangling link keeps its name as well."""
        place = put(f"there/{REPORT_FILE}/inside", b"kept").parent if kind == "folder" else Path("there", REPORT_FILE)
        place.parent.mkdir(exist_ok=True)
        if kind == "pipe":
            os.mkfifo(place)
        elif kind == "link":
            place.symlink_to("nowhere")
        put("b.eml", a_bounce())
        assert rescue("b.eml") == (0, f"{REFUSED}\n".encode(), "")
        assert Path("there/r@example.com-2.eml").read_bytes() == REPORT
        assert listed("there") == ["r@example.com-2.eml", REPORT_FILE]
        assert not Path("nowhere").exists()

    def test_written_by_another_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If another run takes the name in between, the report gets another one."""
        put("b.eml", a_bounce())
        honest = Path.touch

        def late(path: Path, *words: Any, **options: Any) -> None:
            if path.name == REPORT_FILE and not path.exists():
                put(path, b"of another run")
            honest(path, *words, **options)

        monkeypatch.setattr(Path, "touch", late)
        assert rescue("b.eml").status == 0
        assert sorted(rescued().values()) == sorted([b"of another run", REPORT])

    def test_work_for_one_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many reports share a name, the work for each is the same."""
        reports = [with_id("", b"Subject: %02d\r\n\r\n" % number) for number in range(40)]
        names = [put(f"{number}.eml", a_bounce(inside=report)) for number, report in enumerate(reports)]
        honest = Path.read_bytes
        read: list[Path] = []

        def count(path: Path) -> bytes:
            read.append(path)
            return honest(path)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", count)
            assert rescue(*names).status == 0
        assert sorted(rescued().values()) == sorted(reports)
        assert len(read) <= 3 * len(names)

    @pytest.mark.parametrize("step", ["write_bytes", "replace"])
    def test_disk_error(self, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the disk fails, no part of a file is left, the reason is reported, and the summary still comes."""
        put("b.eml", a_bounce())
        before = files()
        with monkeypatch.context() as patch:
            fill_disk(patch, step)
            outcome = rescue("b.eml")
        assert outcome == (2, f"{REFUSED}\n".encode(), f"there/{REPORT_FILE}: No space left on device\n")
        assert files() == before

    def test_disk_error_does_not_end_the_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The next report is written."""
        put("1.eml", a_bounce())
        put("2.eml", a_bounce(inside=with_id("<2@example.com>")))

        def fail(*_: object) -> int:
            patch.undo()
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", fail)
            outcome = rescue("1.eml", "2.eml")
        assert (outcome.status, len(outcome.messages)) == (2, 1)
        assert listed("there") == ["2@example.com.eml"]

    def test_file_that_cannot_be_compared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file in its place that cannot be looked at is named, and stays as it is."""
        put(f"there/{REPORT_FILE}", b"x" * len(REPORT))
        put("b.eml", a_bounce())
        honest = Path.read_bytes

        def read(one: Path) -> bytes:
            if one.parent.name == "there":
                raise PermissionError(errno.EACCES, "Permission denied", str(one))
            return honest(one)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", read)
            outcome = rescue("b.eml")
        assert (outcome.status, outcome.messages) == (2, [f"there/{REPORT_FILE}: Permission denied"])
        assert rescued() == {REPORT_FILE: b"x" * len(REPORT)}

    @pytest.mark.parametrize("out", ["there", "there/inner"])
    def test_file_in_place_of_the_folder(self, out: str) -> None:
        """If the folder is a file, nothing can be written: exit status 2."""
        put("there", b"kept")
        put("b.eml", a_bounce())
        before = files()
        outcome = rescue("b.eml", out=out)
        assert (outcome.status, len(outcome.messages)) == (2, 1)
        assert outcome.err.startswith("there")
        assert files() == before

    def test_folder_that_takes_no_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A folder that nobody may write into is reported once for each report."""

        # Permissions do not stop a superuser.
        def refuse(path: Path, *_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        put("b.eml", a_bounce())
        with monkeypatch.context() as patch:
            patch.setattr(Path, "touch", refuse)
            outcome = rescue("b.eml")
        assert (outcome.status, outcome.messages) == (2, [f"there/{REPORT_FILE}: Permission denied"])
        assert listed("there") == []

    def test_interrupted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the writing is interrupted, no part of the file is left, and a second run writes it."""
        put("b.eml", a_bounce())
        before = files()

        def interrupt(*_: object) -> int:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", interrupt)
            assert rescue("b.eml").status == 130
        assert files() == before
        assert rescue("b.eml").status == 0
        assert rescued() == {REPORT_FILE: REPORT}

    def test_folders_are_made(self) -> None:
        """Missing folders on the way are made; without a report there is none."""
        put("b.eml", a_bounce())
        put("none.eml", a_bounce(inside=ORIGINAL))
        rescue("none.eml", out="x/y")
        assert not Path("x").exists()
        assert rescue("b.eml", out="x/y").status == 0
        assert listed("x/y") == [REPORT_FILE]
