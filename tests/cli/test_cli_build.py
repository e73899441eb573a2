"""`exjournal build`: reports on a message, and the recipients that the command line names."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_helpers import REPORT, ROOT, UNUSABLE, Failing, build, files, put, run, unusable

from exjournal import JournalReport, Recipient, ReportFormat, Role, parse_report
from strategies import DATE, ORIGINAL, a_report, built


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test of this module works in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def built_report(*words: str | Path, message: bytes = ORIGINAL) -> JournalReport:
    """The facts of the report that a run of build wrote."""
    outcome = build(*words, message=message)
    assert (outcome.status, outcome.err) == (0, "")
    parsed = parse_report(outcome.data, strict=True)
    assert parsed.original_bytes() == message
    return parsed.report


def recipients(*words: str) -> set[tuple[str, str, str | None]]:
    """Role, address and list of each recipient in the report that a run of build wrote."""
    found = built_report(*words).recipients
    listed = {(str(one.role), one.address, one.expanded_from) for one in found}
    assert len(listed) == len(found)
    return listed


class TestBuild:
    """`exjournal build`: a report on a message."""

    def test_is_the_public_function(self) -> None:
        """The report is what the library writes for the same envelope and message."""
        put("message.eml", ORIGINAL)
        date = ["--date", "2024-02-29T12:30:45+00:00", "--report-id", "<r@example.com>"]
        outcome = build("message.eml", "--to", "bob@example.net", *date, message=b"")
        report = a_report(recipients=[Recipient("bob@example.net", Role.TO)])
        assert outcome == (0, built(report=report), "")

    @pytest.mark.parametrize("words", [[], ["-"]], ids=["nothing", "dash"])
    @pytest.mark.parametrize(
        "message",
        [b"", b"no header", b"\xff\x00\r\r\n\n\x1a.\r\n.", b"Subject: x\n\n\n\n", REPORT],
        ids=["empty", "no header", "bytes", "line ends", "report"],
    )
    def test_standard_input(self, words: list[str], message: bytes) -> None:
        """Without a file, or for a dash, the message is standard input, byte for byte."""
        outcome = build(*words, "--recipient", "bob@example.net", message=message)
        assert (outcome.status, outcome.err) == (0, "")
        assert parse_report(outcome.data).original_bytes() == message

    def test_roles(self) -> None:
        """Each option gives its recipients the role of its name, and can be repeated."""
        assert recipients(
            *("--bcc", "erin@example.org", "--to", "bob@example.net", "--cc", "carol@example.net"),
            *("--to", "dave@example.com", "--bcc", "frank@example.org", "--cc", "grace@example.org"),
        ) == {
            ("To", "bob@example.net", None),
            ("To", "dave@example.com", None),
            ("Cc", "carol@example.net", None),
            ("Cc", "grace@example.org", None),
            ("Bcc", "erin@example.org", None),
            ("Bcc", "frank@example.org", None),
        }

    def test_nothing_known_of_recipients(self) -> None:
        """A recipient of whom nothing more is known keeps that role, though the message's own To names it."""
        assert recipients("--recipient", "bob@example.net", "--recipient", "erin@example.org") == {
            ("Recipient", "bob@example.net", None),
            ("Recipient", "erin@example.org", None),
        }

    def test_nothing_known_of_some_recipients(self) -> None:
        """It keeps that role next to recipients with other roles: `Recipient` does not mean Bcc."""
        assert recipients("--to", "bob@example.net", "--recipient", "erin@example.org") == {
            ("To", "bob@example.net", None),
            ("Recipient", "erin@example.org", None),
        }

    def test_given_twice(self) -> None:
        """An address given twice is one recipient, in the more visible of its roles."""
        assert recipients("--bcc", "bob@example.net", "--to", "bob@example.net", "--to", "bob@example.net") == {
            ("To", "bob@example.net", None)
        }

    @pytest.mark.parametrize(
        ("words", "sender"),
        [
            ([], None),
            (["--sender", "<>"], ""),
            (["--sender", ""], ""),
            (["--sender", "bounce+1=2@example.org"], "bounce+1=2@example.org"),
        ],
    )
    def test_sender(self, words: list[str], sender: str | None) -> None:
        """MAIL FROM is the given one, or the null sender in both its spellings; without the option it is unknown."""
        report = built_report("--to", "bob@example.net", *words)
        assert report.envelope_sender == sender
        assert report.sender == "alice@example.com"

    def test_on_behalf_of(self) -> None:
        """Roles that only a logged-in client can have given make the delegate's principal believed."""
        message = b"Sender: dave@example.com\r\n" + ORIGINAL
        assert built_report("--to", "bob@example.net", message=message).on_behalf_of == "alice@example.com"
        assert built_report("--recipient", "bob@example.net", message=message).on_behalf_of is None

    def test_internal(self) -> None:
        """A report for the organization's own transport has its marker."""
        parsed = parse_report(build("--to", "bob@example.net", "--internal").data)
        assert parsed.marker == "X-MS-Exchange-Organization-Journal-Report"

    def test_decrypted(self) -> None:
        """A readable copy follows the original."""
        put("clear.eml", b"Subject: clear\r\n\r\n\xe9")
        parsed = parse_report(build("--to", "bob@example.net", "--decrypted", "clear.eml").data)
        assert parsed.original == ORIGINAL
        assert parsed.decrypted == b"Subject: clear\r\n\r\n\xe9"

    def test_decrypted_on_standard_input(self) -> None:
        """The readable copy can be standard input where the original is a file."""
        put("message.eml", ORIGINAL)
        outcome = build("message.eml", "--to", "bob@example.net", "--decrypted", "-", message=b"clear")
        assert parse_report(outcome.data).decrypted == b"clear"

    def test_both_on_standard_input(self) -> None:
        """One standard input cannot hold both the original and its readable copy."""
        outcome = build("--to", "bob@example.net", "--decrypted", "-")
        assert (outcome.status, outcome.data) == (2, b"")
        assert "decrypted" in outcome.err

    def test_date(self) -> None:
        """The date is the one given, in UTC; with it a report is the same each time."""
        words = ["--to", "bob@example.net", "--date", "2024-02-29T23:30:00-02:00"]
        data = build(*words).data
        assert parse_report(data).headers.get("Date") == "Fri, 01 Mar 2024 01:30:00 +0000"
        assert build(*words).data == data

    def test_now(self) -> None:
        """Without a date the report is made now."""
        before = datetime.now(UTC).replace(microsecond=0)
        date = parse_report(build("--to", "bob@example.net").data).headers.get("Date")
        assert date is not None
        made = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S %z")
        assert before <= made <= datetime.now(UTC)

    def test_report_id(self) -> None:
        """The report's own Message-ID is the one given, and without it one that a retry has as well."""
        words = ["--to", "bob@example.net"]
        assert parse_report(build(*words, "--report-id", "<r@example.com>").data).report_id == "<r@example.com>"
        derived = {
            parse_report(build(*words, "--date", date).data).report_id for date in ("20240101T00Z", "20250101T00Z")
        }
        assert len(derived) == 1
        assert derived.pop().endswith("@journal.report.generator>")

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            ([], "a recipient is required: "),
            (["--sender", "ann@example.com"], "a recipient is required: "),
            (["--to", ""], "--to: "),
            (["--to", "a@example.com,b@example.com"], "--to: "),
            (["--bcc", "Ann <ann@example.com>"], "--bcc: "),
            (["--recipient", " bob@example.net"], "--recipient: "),
            (["--cc", "bob@example.net\nTo: eve@example.org"], "--cc: "),
            (["--to", '"bob@example.net'], "--to: "),
            (["--to", "bob@example.net, Expanded: staff@example.com"], "--to: "),
            (["--to", "b" * 572], "--to: "),
            (["--to", "bob\udcff@example.net"], "--to: "),
            (["--to", "bob@example.net", "--sender", "<ann@example.com>"], "--sender: "),
            (["--expanded", "dave@example.com"], "--expanded: "),
            (["--expanded", "dave@example.com="], "--expanded: "),
            (["--expanded", ""], "--expanded: "),
            (["--expanded", "=staff@example.com"], "--expanded: "),
            (["--expanded", "dave@example.com=a,b"], "--expanded: "),
            (["--to", "bob@example.net", "--date", "2024-02-29T12:30:45"], "--date: "),
            (["--to", "bob@example.net", "--date", "2024-02-29"], "--date: "),
            (["--to", "bob@example.net", "--date", "yesterday"], "--date: "),
            (["--to", "bob@example.net", "--date", ""], "--date: "),
            (["--to", "bob@example.net", "--date", "0001-01-01T00:00:00+23:59"], "--date: "),
            (["--to", "bob@example.net", "--report-id", "r@example.com"], "--report-id: "),
            (["--to", "bob@example.net", "--report-id", "<r@example.com>\r\nBcc: eve@example.org"], "--report-id: "),
            (["--to", "bob@example.net", "--report-id", ""], "--report-id: "),
        ],
    )
    def test_refused(self, words: list[str], problem: str) -> None:
        """A value from which no report can be built is named on one line, with exit status 2, and nothing is written."""
        outcome = build(*words, "--out", "report.eml", "--force")
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"exjournal: {problem}")
        assert files() == {}

    @pytest.mark.parametrize(
        "domain",
        ["", "ex ample.com", "example.com\r\nBcc: eve@example.org", "b\u00fccher.example", "a@example.com", "<>"],
    )
    def test_bad_domain(self, domain: str) -> None:
        """The domain of the system sender is a domain."""
        outcome = build("--to", "bob@example.net", domain=domain)
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: --domain: ")

    def test_no_domain(self) -> None:
        """The domain of the system sender is required where there is a system sender, and is named."""
        outcome = run("build", "--to", "bob@example.net", "--out", "report.eml", stdin=ORIGINAL)
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith("exjournal: --domain is required")
        assert files() == {}

    def test_no_domain_before_the_message(self) -> None:
        """That is reported before the message is read, so that nobody waits at standard input needlessly."""
        # Fails: standard input is read first, and a missing message is reported instead.
        outcome = run("build", "--to", "bob@example.net", stdin=Failing(KeyboardInterrupt()))
        assert outcome.status == 2
        assert outcome.err.startswith("exjournal: --domain is required")

    @pytest.mark.parametrize("words", [["{}"], ["message.eml", "--decrypted", "{}"]], ids=["message", "decrypted"])
    @pytest.mark.parametrize("kind", UNUSABLE)
    def test_unreadable(self, kind: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that cannot be read is named, with exit status 2."""
        put("message.eml", ORIGINAL)
        path = unusable(kind, monkeypatch)
        outcome = build("--to", "bob@example.net", *[word.format(path) for word in words], "--out", "report.eml")
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"{path}: ")
        assert not Path("report.eml").exists()

    def test_disk_error_while_reading(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file on a disk that breaks is named like any other that cannot be read."""
        path = unusable("broken", monkeypatch)
        outcome = build(str(path), "--to", "bob@example.net")
        assert (outcome.status, outcome.messages) == (2, [f"{path}: Input/output error"])


HIDDEN = ["--to", "bob@example.net", "--bcc", "erin@example.org"]
WITH_BCC = ORIGINAL.replace(b"Subject", b"bcc: old@example.org,\r\n\tolder@example.org\r\nSubject")


class TestBuildFormat:
    """`build --format`: the other formats."""

    @pytest.mark.parametrize(
        ("format_", "words", "options"),
        [
            ("envelope", [], {}),
            ("envelope-2003", [], {}),
            ("envelope-2003", ["--correct-marker"], {"correct_marker": True}),
            ("envelope", ["--eight-bit"], {"eight_bit": True}),
            ("envelope-2003", ["--eight-bit"], {"eight_bit": True}),
            ("bcc", [], {}),
            ("bcc", ["--bcc-all"], {"bcc_all": True}),
            ("message-only", [], {}),
        ],
        ids=" ".join,
    )
    def test_is_the_public_function(self, format_: str, words: list[str], options: dict[str, bool]) -> None:
        """The command writes the bytes that the library writes in that format, to standard output and to a file."""
        given_words = [
            *HIDDEN,
            "--date",
            DATE.isoformat(),
            "--report-id",
            "<r@example.com>",
            "--format",
            format_,
            *words,
        ]
        report = a_report(
            recipients=[Recipient("bob@example.net", Role.TO), Recipient("erin@example.org", Role.BCC)],
        )
        data = built(report=report, format=ReportFormat(format_), **options)
        assert build(*given_words) == (0, data, "")
        assert build(*given_words, "--out", "there.eml") == (0, b"", "")
        assert Path("there.eml").read_bytes() == data

    def test_eight_bit(self) -> None:
        """A report text that is not ASCII is quoted-printable, or as it is where that is asked for."""
        message = ORIGINAL.replace(b"Hello", b"=?utf-8?q?caf=C3=A9?=")
        words = ["--to", "bob@example.net"]
        assert b"\r\nSubject: caf=C3=A9\r\n" in build(*words, message=message).data
        assert b"\r\nSubject: caf\xc3\xa9\r\n" in build(*words, "--eight-bit", message=message).data

    @pytest.mark.parametrize(
        ("words", "marker"), [([], "Content-Identifer"), (["--correct-marker"], "Content-Identifier")]
    )
    def test_marker_of_2003(self, words: list[str], marker: str) -> None:
        """The marker is misspelt as Exchange 2003 misspelt it, and right where that is asked for."""
        outcome = build("--to", "bob@example.net", "--format", "envelope-2003", *words)
        assert b"\r\n%b: ExJournalReport\r\n" % marker.encode() in outcome.data
        parsed = parse_report(outcome.data, strict=True)
        assert (parsed.format, parsed.marker) == (ReportFormat.ENVELOPE_2003, marker)
        assert parsed.original == ORIGINAL

    def test_2003_knows_no_roles(self) -> None:
        """A report of Exchange 2003 names everybody in one list, whichever option named them."""
        words = ["--to", "staff@example.com", "--bcc", "erin@example.org", "--recipient", "frank@example.org"]
        outcome = build(*words, "--expanded", "dave@example.com=staff@example.com", "--format", "envelope-2003")
        found = parse_report(outcome.data).report.recipients
        assert {(one.role, one.address) for one in found} == {
            (Role.RECIPIENT, "dave@example.com"),
            (Role.RECIPIENT, "erin@example.org"),
            (Role.RECIPIENT, "frank@example.org"),
        }

    @pytest.mark.parametrize("format_", ["envelope-2003", "bcc", "message-only"])
    def test_no_domain(self, format_: str) -> None:
        """Only the envelope format has a system sender, and needs its domain."""
        outcome = run("build", "--to", "bob@example.net", "--format", format_, stdin=ORIGINAL)
        assert (outcome.status, outcome.err) == (0, "")
        assert parse_report(outcome.data, format=ReportFormat(format_)).report.sender == "alice@example.com"

    def test_2003_without_an_author(self) -> None:
        """If neither the message nor the command line names an author, the system sender replaces it."""
        words = ["--recipient", "bob@example.net", "--format", "envelope-2003"]
        outcome = run("build", *words, stdin=b"Subject: x\r\n\r\n")
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: --domain: ")
        assert run("build", *words, "--sender", "ann@example.com", stdin=b"Subject: x\r\n\r\n").status == 0
        assert build(*words, message=b"Subject: x\r\n\r\n").status == 0

    def test_bcc(self) -> None:
        """The Bcc field names those whom the message does not name itself, and nothing else of the message changes."""
        assert build(*HIDDEN, "--format", "bcc") == (0, b"Bcc: erin@example.org\r\n" + ORIGINAL, "")

    def test_bcc_all(self) -> None:
        """Asked for, it names everybody, as Exchange 2003 did."""
        outcome = build(*HIDDEN, "--format", "bcc", "--bcc-all")
        assert outcome == (0, b"Bcc: bob@example.net,\r\n erin@example.org\r\n" + ORIGINAL, "")
        roles = {
            (one.role, one.address) for one in parse_report(outcome.data, format=ReportFormat.BCC).report.recipients
        }
        assert roles == {(Role.TO, "bob@example.net"), (Role.BCC, "erin@example.org")}

    def test_bcc_of_nobody(self) -> None:
        """If the message names everybody, there is no Bcc field."""
        assert build("--to", "bob@example.net", "--format", "bcc") == (0, ORIGINAL, "")

    def test_bcc_has_the_last_word(self) -> None:
        """A Bcc field that the message has gives way to that of the command line."""
        outcome = build(*HIDDEN, "--format", "bcc", message=WITH_BCC)
        assert outcome == (0, b"Bcc: erin@example.org\r\n" + ORIGINAL, "")

    def test_message_only(self) -> None:
        """The message goes out without its Bcc field, for any recipients."""
        assert build(*HIDDEN, "--format", "message-only", message=WITH_BCC) == (0, ORIGINAL, "")
        assert build(*HIDDEN, "--format", "message-only") == (0, ORIGINAL, "")
        assert build("--format", "message-only", message=WITH_BCC) == (0, ORIGINAL, "")  # which names nobody

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (["--correct-marker"], "--correct-marker needs --format "),
            (["--format", "envelope", "--correct-marker"], "--correct-marker needs --format "),
            (["--format", "bcc", "--correct-marker"], "--correct-marker needs --format "),
            (["--format", "message-only", "--correct-marker"], "--correct-marker needs --format "),
            (["--bcc-all"], "--bcc-all needs --format "),
            (["--format", "envelope-2003", "--bcc-all"], "--bcc-all needs --format "),
            (["--format", "message-only", "--bcc-all"], "--bcc-all needs --format "),
            (["--format", "bcc", "--eight-bit"], "--eight-bit needs --format "),
            (["--format", "message-only", "--eight-bit"], "--eight-bit needs --format "),
            (["--format", "envelope-2003", "--internal"], "--internal needs --format "),
            (["--format", "bcc", "--internal"], "--internal needs --format "),
            (["--format", "message-only", "--internal"], "--internal needs --format "),
            (["--format", "envelope-2003", "--decrypted", "clear.eml"], "--decrypted needs --format "),
            (["--format", "bcc", "--decrypted", "clear.eml"], "--decrypted needs --format "),
            (["--format", "message-only", "--decrypted", "clear.eml"], "--decrypted needs --format "),
            (["--format", "envelope-2003", "--domain", "ex ample.com"], "--domain: "),
            (["--format", "envelope-2003", "--date", "2024-02-29T12:30:45"], "--date: "),
            (["--format", "envelope-2003", "--report-id", "r@example.com"], "--report-id: "),
        ],
        ids=" ".join,
    )
    def test_misuse(self, words: list[str], problem: str) -> None:
        """An option of another format is named on one line, with exit status 2, and nothing is written."""
        put("clear.eml", b"clear")
        before = files()
        outcome = build(*HIDDEN, *words, "--out", "report.eml")
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"exjournal: {problem}")
        assert files() == before

    @pytest.mark.parametrize("format_", ["envelope-2003", "bcc"])
    def test_no_recipients(self, format_: str) -> None:
        """A format that names recipients needs one."""
        outcome = build("--format", format_)
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: a recipient is required: ")

    @pytest.mark.parametrize(
        ("message", "format_"),
        [
            (b"no header", "bcc"),
            (b"X: y\r\n" * 100_000 + b"\r\n", "bcc"),
            (b"X: y\r\n" * 100_000 + b"\r\n", "message-only"),
        ],
        ids=["no header", "bcc", "message-only"],
    )
    def test_no_copy(self, message: bytes, format_: str) -> None:
        """A message that a Bcc field cannot be put into, or be looked for in, is refused."""
        outcome = build(*HIDDEN, "--format", format_, "--out", "copy.eml", message=message)
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal: MESSAGE: ")
        assert files() == {}


class TestExpanded:
    """`--expanded MEMBER=LIST`: who received through a list, and through which."""

    @pytest.mark.parametrize(
        ("member", "name"),
        [
            ("dave@example.com", "staff@example.com"),
            ("a=b@example.com", "staff@example.com"),
            ("=@example.com", "=@example.com"),
            ("bounce+bob=example.net@example.com", "list+dave=example.com@example.org"),
            ('"x=y"@example.com', "staff@example.com"),
            ('"a@b"@example.com', '"c=d"@example.com'),
            ('"a b, c"@example.com', '", Expanded: x"@example.com'),
            ('"\\""@example.com', '"="@example.com'),
            ("dave", "staff@example.com"),
            ("dave", "staff"),
            ("dave", "a=b@example.com"),
            ("dave@example.com", "staff"),
            ("d\u00e4ve@b\u00fccher.example", "\u5458\u5de5@example.com"),
            ('"a@b=c"@example.com', "staff@example.com"),
            ('"a\\"@b=c"@example.com', '"d@e=f"@example.com'),
        ],
    )
    def test_taken_apart(self, member: str, name: str) -> None:
        """The first equals sign outside a local part divides the two."""
        assert recipients("--expanded", f"{member}={name}") == {("Recipient", member, name)}

    @pytest.mark.parametrize("role", Role)
    def test_role_of_the_list(self, role: Role) -> None:
        """A list that is given and expanded is not a recipient itself; its members take its role."""
        words = [f"--{role.lower()}", "staff@example.com"]
        words += [
            "--expanded",
            "dave@example.com=staff@example.com",
            "--expanded",
            "erin@example.org=staff@example.com",
        ]
        assert recipients(*words) == {
            (role, "dave@example.com", "staff@example.com"),
            (role, "erin@example.org", "staff@example.com"),
        }

    def test_list_not_given(self) -> None:
        """A list that nobody gave a role gives its members none."""
        assert recipients("--expanded", "dave@example.com=staff@example.com") == {
            ("Recipient", "dave@example.com", "staff@example.com")
        }

    def test_member_with_a_role(self) -> None:
        """A member with a role of its own keeps it."""
        words = ["--cc", "dave@example.com", "--to", "staff@example.com"]
        assert recipients(*words, "--expanded", "dave@example.com=staff@example.com") == {
            ("Cc", "dave@example.com", "staff@example.com")
        }

    def test_beside_others(self) -> None:
        """Recipients that no list was expanded for stay as they are."""
        words = ["--to", "staff@example.com", "--cc", "board@example.com", "--bcc", "hidden@example.org"]
        assert recipients(*words, "--expanded", "dave@example.com=staff@example.com") == {
            ("To", "dave@example.com", "staff@example.com"),
            ("Cc", "board@example.com", None),
            ("Bcc", "hidden@example.org", None),
        }

    @pytest.mark.parametrize("given_as", ["staff@EXAMPLE.com", "Staff@example.com"])
    def test_list_in_another_spelling(self, given_as: str) -> None:
        """Two spellings of one mailbox are one list."""
        assert recipients("--to", given_as, "--expanded", "dave@example.com=staff@example.com") == {
            ("To", "dave@example.com", "staff@example.com")
        }

    def test_member_of_two_lists(self) -> None:
        """A member of two lists is reported through both."""
        words = ["--expanded", "dave@example.com=staff@example.com", "--expanded", "dave@example.com=board@example.com"]
        assert recipients(*words) == {
            ("Recipient", "dave@example.com", "staff@example.com"),
            ("Recipient", "dave@example.com", "board@example.com"),
        }

    def test_given_twice(self) -> None:
        """A pair given twice is one recipient."""
        pair = ["--expanded", "dave@example.com=staff@example.com"]
        assert recipients(*pair, *pair) == {("Recipient", "dave@example.com", "staff@example.com")}


class TestWarning:
    """The header of a report has the recipients of the original, and the report must not be sent to them."""

    def test_help(self) -> None:
        """The help of build says how to send a report, and how not to."""
        out = run("build", "--help").out
        assert "only with an explicit SMTP envelope" in out
        assert "sendmail -t" in out
        assert "send_message" in out

    @pytest.mark.parametrize("page", ["README.md", "docs/how-to/building.md", "docs/reference/command.md"])
    def test_pages(self, page: str) -> None:
        """The README and the pages on building warn as well."""
        text = (ROOT / page).read_text(encoding="utf-8")
        assert "**Send a report only with" in text or "**Send the report only with" in text or "**Never take" in text
        assert "sendmail -t" in text
        assert "send_message" in text


class TestBuildOut:
    """`build --out`: one file."""

    def test_standard_output(self) -> None:
        """A dash is standard output."""
        outcome = build("--to", "bob@example.net", "--out", "-")
        assert outcome.status == 0
        assert parse_report(outcome.data).original == ORIGINAL
        assert files() == {}

    @pytest.mark.parametrize("force", [[], ["--force"]], ids=["plain", "force"])
    @pytest.mark.parametrize("out", [".", "", ".."], ids=["dot", "empty", "up"])
    def test_no_file_name(self, out: str, force: list[str]) -> None:
        """A name that no file can have is refused like a folder in its place."""
        # Fails for those without a last part: a traceback.
        outcome = build("--to", "bob@example.net", "--out", out, *force)
        assert outcome.status in {1, 2}
        assert outcome.data == b""
        assert len(outcome.messages) == 1
        assert files() == {}

    def test_onto_its_own_message(self) -> None:
        """The report can replace the message from which it was built."""
        put("message.eml", ORIGINAL)
        outcome = build("message.eml", "--to", "bob@example.net", "--out", "message.eml", "--force", message=b"")
        assert outcome.status == 0
        assert parse_report(Path("message.eml").read_bytes()).original == ORIGINAL
