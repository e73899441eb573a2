"""`exjournal check`: whether messages are reports, their defects and their seals."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cli_helpers import (
    CHECKED,
    REPORT,
    SECRET,
    UNUSABLE,
    WITH_OTHER_TEXT,
    Failing,
    build,
    files,
    put,
    run,
    target_words,
    unusable,
)
from hypothesis import given

from exjournal import Recipient, ReportFormat, Role, Source, parse_report
from strategies import ORIGINAL, a_message, a_report, any_bytes, built


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test of this module works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestCheck:
    """`exjournal check`: whether a file is a report, its format, and its defects."""

    def test_fine(self) -> None:
        """A report without defects is shown as such, with exit status 0."""
        put("r.eml")
        assert run("check", "r.eml") == (0, b"r.eml: report, envelope, X-MS-Journal-Report: no defects\n", "")

    def test_defects(self) -> None:
        """Defects are counted by code, with exit status 1."""
        put("r.eml", WITH_OTHER_TEXT)
        codes = [str(defect.code) for defect in parse_report(WITH_OTHER_TEXT).defects]
        outcome = run("check", "r.eml")
        assert (outcome.status, outcome.err) == (1, "")
        shown = outcome.out.removeprefix("r.eml: report, envelope, X-MS-Journal-Report: ").rstrip("\n").split(", ")
        counts = {code: codes.count(code) for code in codes}
        assert shown == sorted(code if count == 1 else f"{code} ({count})" for code, count in counts.items())
        assert 1 in counts.values()
        assert max(counts.values()) > 1

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"", "empty"),
            (ORIGINAL, "not-a-report"),
            (b"\xff\0" * 100, "not-a-report"),
            (b"Content-Type: multipart/report\r\n\r\n", "multipart-report"),
            (a_message(b"Hello.\r\n"), "report-text-missing"),
            (b"Content-Identifer: ExJournalReport\r\n\r\n", "report-text-missing"),
        ],
    )
    def test_no_report(self, data: bytes, code: str) -> None:
        """A file that is not a report is shown with the reason, on standard output, with exit status 1."""
        put("r.eml", data)
        outcome = run("check", "r.eml")
        assert (outcome.status, outcome.err) == (1, "")
        assert outcome.out.startswith(f"r.eml: not a report: {code} at offset ")

    def test_json(self) -> None:
        """The same as data, one object a line."""
        put("fine.eml")
        put("odd.eml", WITH_OTHER_TEXT)
        put("none.eml", b"Content-Type: multipart/report\r\n\r\n")
        outcome = run("check", "--json", "fine.eml", "odd.eml", "none.eml", "-", "missing.eml")
        codes = [str(defect.code) for defect in parse_report(WITH_OTHER_TEXT).defects]
        report = {"report": True, "format": "envelope", "marker": "X-MS-Journal-Report"}
        assert outcome.objects == [
            {"file": name, "source": Source(name).to_dict(), **CHECKED, **rest}
            for name, rest in {
                "fine.eml": report,
                "odd.eml": {
                    **report,
                    "defects": [{"code": code, "count": codes.count(code)} for code in sorted({*codes})],
                },
                "none.eml": {"code": "multipart-report", "offset": 13},
                "-": {"code": "empty", "offset": 0},
            }.items()
        ]
        assert outcome.status == 2
        assert len(outcome.messages) == 1
        assert outcome.err.startswith("missing.eml: ")


SEALED = built(secret=SECRET)


class TestSeals:
    """`--secret-file`: reports are sealed where they are built, and looked at later by who knows the secret."""

    @pytest.fixture(autouse=True)
    def secrets(self, folder: Path) -> Path:
        """Two secrets in files, one of which is too short."""
        put("journal.secret", SECRET + b"\n")
        put("other.secret", b"another secret, of somebody else\r\n")
        put("short.secret", b"hunter2\n\n\n\n\n\n\n\n\n\n\n\n\n")
        return folder

    @pytest.mark.parametrize(
        ("data", "seal", "status"),
        [
            (SEALED, "valid", 0),
            (SEALED.replace(b"\r\n", b"\n"), "valid", 0),
            (b"Received: from a.example.com\r\n" + SEALED, "valid", 0),
            (SEALED.replace(b"Hi.", b"Ho."), "invalid", 1),
            (SEALED.replace(b"bob@example.net", b"eve@example.net"), "invalid", 1),
            (SEALED.replace(b"X-ExJournal-Seal: v=2", b"X-ExJournal-Seal: v=3"), "invalid", 1),
            (built(secret=b"another secret, of somebody else"), "invalid", 1),
            (REPORT, "absent", 1),
            (built(format=ReportFormat.ENVELOPE_2003, secret=SECRET), "valid", 0),
            (built(format=ReportFormat.ENVELOPE_2003), "absent", 1),
        ],
        ids=[
            "as built",
            "LF",
            "relayed",
            "original",
            "recipient",
            "version",
            "stranger",
            "none",
            "2003",
            "2003 without",
        ],
    )
    def test_check(self, data: bytes, seal: str, status: int) -> None:
        """The result of a seal comes after the defects; an invalid or missing one makes exit status 1."""
        put("r.eml", data)
        before = files()
        outcome = run("check", "r.eml", "--secret-file", "journal.secret")
        assert (outcome.status, outcome.err) == (status, "")
        (line,) = outcome.out.splitlines()
        assert line.startswith("r.eml: report, envelope")
        assert line.endswith(f": no defects, seal {seal}")
        outcome = run("check", "--json", "r.eml", "--secret-file", "journal.secret")
        assert (outcome.status, outcome.err) == (status, "")
        (found,) = outcome.objects
        assert list(found) == ["file", "source", *CHECKED]
        assert found["seal"] == seal
        assert files() == before

    def test_not_asked_for(self) -> None:
        """Without a secret the output does not mention seals, and a report is fine with or without one."""
        put("r.eml", SEALED)
        assert run("check", "r.eml") == (0, b"r.eml: report, envelope, X-MS-Journal-Report: no defects\n", "")
        assert run("check", "--json", "r.eml").objects[0]["seal"] is None

    @pytest.mark.parametrize("names", [["journal", "other"], ["other", "journal"], ["other", "other", "journal"]])
    def test_several_secrets(self, names: list[str]) -> None:
        """Any of several secrets verifies, in any order, so that a new one can be put before the old."""
        put("r.eml", SEALED)
        words = [word for name in names for word in ("--secret-file", f"{name}.secret")]
        outcome = run("check", *words, "r.eml")
        assert outcome.status == 0
        assert outcome.out.endswith(", seal valid\n")

    def test_valid_and_odd(self) -> None:
        """A valid seal does not hide a defect, and a defect does not break a seal."""
        put("r.eml", built(secret=SECRET, report=a_report(message_id="<other@example.com>")))
        outcome = run("check", "r.eml", "--secret-file", "journal.secret")
        assert outcome.status == 1
        assert "no defects" not in outcome.out
        assert outcome.out.endswith(", seal valid\n")

    def test_many_files(self) -> None:
        """Files that are not reports, or cannot be read, have no seal to show, and never end the run."""
        put("sealed.eml", SEALED)
        put("altered.eml", SEALED.replace(b"Hi.", b"Ho."))
        put("message.eml", b"X-ExJournal-Seal: v=2; s=x\r\n" + ORIGINAL)
        put("empty.eml", b"")
        names = ["message.eml", "sealed.eml", "missing.eml", "empty.eml", "altered.eml", "-"]
        outcome = run("check", "--json", "--secret-file", "journal.secret", *names, stdin=SEALED)
        assert outcome.status == 2
        assert [line.partition(":")[0] for line in outcome.messages] == ["missing.eml"]
        found = {one["file"]: one["seal"] for one in outcome.objects}
        assert found == {
            "message.eml": None,
            "sealed.eml": "valid",
            "empty.eml": None,
            "altered.eml": "invalid",
            "-": "valid",
        }
        assert [one["code"] for one in outcome.objects if not one["report"]] == ["not-a-report", "empty"]
        outcome = run("check", "--secret-file", "journal.secret", "message.eml")
        assert outcome.status == 1
        assert "seal" not in outcome.out

    def test_copy(self) -> None:
        """A copy has no seal, even if its header looks like it."""
        put("copy.eml", ORIGINAL)
        outcome = run("check", "--format", "bcc", "copy.eml", "--secret-file", "journal.secret")
        assert outcome.status == 1
        assert outcome.out.endswith(", seal absent\n")

    @pytest.mark.parametrize("kind", [*UNUSABLE, "broken"])
    @pytest.mark.parametrize(
        "words",
        [["check", "-"], ["check", "--json", "-"], ["build", "--domain", "example.com", "--to", "bob@example.net"]],
        ids=["check", "json", "build"],
    )
    def test_unreadable_secret(self, words: list[str], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A secret that cannot be read is named with the reason, before standard input is read, with exit status 2."""
        path = unusable(kind, monkeypatch)
        secrets = ["--secret-file", "journal.secret", "--secret-file", path]
        outcome = run(*words, *secrets, stdin=Failing(KeyboardInterrupt()))
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"{path}: ")

    @pytest.mark.parametrize(
        "words",
        [
            ["check", "r.eml"],
            ["build", "r.eml", "--domain", "example.com", "--to", "bob@example.net", "--out", "new.eml"],
        ],
        ids=["check", "build"],
    )
    def test_short_secret(self, words: list[str]) -> None:
        """A secret that can be tried out is refused, with exit status 2, and not shown."""
        put("r.eml", SEALED)
        before = files()
        outcome = run(*words, "--secret-file", "journal.secret", "--secret-file", "short.secret")
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert "short.secret: " in outcome.err
        assert "hunter2" not in outcome.err
        assert files() == before

    @pytest.mark.parametrize("line_end", [b"", b"\n", b"\r\n", b"\r\n\n"])
    @pytest.mark.parametrize("secret", [SECRET, b"\0\xff\r\n" * 5 + b"\0", b" spaces are bytes, too "])
    def test_line_ends_of_a_secret(self, secret: bytes, line_end: bytes) -> None:
        """Line ends at the end of the file do not belong to a secret; every other byte does."""
        put("r.eml", built(secret=secret))
        put("a.secret", secret + line_end)
        assert run("check", "r.eml", "--secret-file", "a.secret").status == 0

    @pytest.mark.parametrize("verb", ["parse", "unwrap"])
    def test_no_use(self, verb: str) -> None:
        """Verbs that neither seal nor verify take no secret."""
        put("r.eml", SEALED)
        outcome = run(verb, "r.eml", *target_words(verb), "--secret-file", "journal.secret")
        assert (outcome.status, outcome.data) == (2, b"")

    def test_build_is_the_public_function(self) -> None:
        """The report that is sealed is what the library writes, with the first of several secrets."""
        words = ["--to", "bob@example.net", "--date", "2024-02-29T12:30:45+00:00", "--report-id", "<r@example.com>"]
        report = a_report(recipients=[Recipient("bob@example.net", Role.TO)])
        sealed = build(*words, "--secret-file", "journal.secret", "--secret-file", "other.secret")
        assert sealed == (0, built(report=report, secret=SECRET), "")
        assert sealed.data != build(*words).data

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["--internal"],
            ["--decrypted", "clear.eml"],
            ["--format", "envelope-2003"],
            ["--format", "envelope-2003", "--correct-marker"],
            ["--sender", "<>", "--expanded", "erin@example.com=bob@example.net"],
        ],
        ids=" ".join,
    )
    @pytest.mark.parametrize(
        "message", [ORIGINAL, b"", b"\xff\0\r\r\n.\r\n", SEALED], ids=["mail", "empty", "octets", "report"]
    )
    def test_build_then_check(self, words: list[str], message: bytes) -> None:
        """A sealed report is valid by its own secret alone, in both envelope formats, with any content."""
        put("clear.eml", ORIGINAL)
        put("r.eml", build("--to", "bob@example.net", "--secret-file", "journal.secret", *words, message=message).data)
        seals = [
            run("check", "--json", "r.eml", "--secret-file", f"{name}.secret").objects[0]["seal"]
            for name in ("journal", "other")
        ]
        assert seals == ["valid", "invalid"]

    @pytest.mark.parametrize("format_", ["bcc", "message-only"])
    def test_build_copy(self, format_: str) -> None:
        """A copy is the message itself and takes no seal."""
        outcome = build("--format", format_, "--to", "bob@example.net", "--secret-file", "journal.secret")
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: --secret-file needs --format envelope or envelope-2003")

    def test_unwrapped(self) -> None:
        """The original of a sealed report comes out as it was, and the seal is not in it."""
        put("r.eml", build("--to", "bob@example.net", "--secret-file", "journal.secret").data)
        assert run("unwrap", "r.eml", "--out", "-") == (0, ORIGINAL, "")

    @pytest.mark.slow
    @given(any_bytes())
    def test_check_anything(self, data: bytes) -> None:
        """Any file has a line, only reports have a seal, and none is valid that nobody sealed."""
        with TemporaryDirectory() as name:
            secret = put(Path(name, "a.secret"), SECRET)
            # By its name it is one message, also where it begins like a mailbox.
            path = put(Path(name, "any.eml"), data)
            outcome = run("check", "--json", path, "--secret-file", secret)
            (found,) = outcome.objects
            assert found["seal"] in ({"invalid", "absent"} if found["report"] else {None})
            assert outcome.status == 1
