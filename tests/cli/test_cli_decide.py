"""`exjournal decide`: what becomes of a message under rules from a file, for people and for programs, and the file alone."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import pytest
from cli_helpers import HELD, UNUSABLE, Failing, Outcome, files, put, run, seen, unusable
from hypothesis import given
from hypothesis import strategies as st

from exjournal import (
    Envelope,
    JournalAgent,
    build_report,
    decide,
    load_config,
    report_for,
)
from exjournal.limits import HOP_LIMIT, REPORT_NESTING_LIMIT
from strategies import DATE, addresses, any_bytes, message_like

MESSAGE = (
    b"From: ann@example.com\r\nTo: bob@example.com\r\nSubject: Figures\r\nMessage-ID: <1@example.com>\r\n\r\nHi.\r\n"
)
SECRET = b"a secret of the file of rules"
OTHER = b"a secret in a file of its own"

RULES = """
[organization]
domains = ["example.com"]
alternate_mailbox = "ndr@example.com"

[organization.groups]
"staff@example.com" = ["bob@example.com", "erin@example.com"]

[[rules]]
name = "All"
journal_to = "all@archive.example"

[[rules]]
name = "Staff"
journal_to = "staff@archive.example"
recipient = "staff@example.com"

[[rules]]
name = "Abroad"
journal_to = "abroad@archive.example"
scope = "external"

[[rules]]
name = "Nobody"
journal_to = "all@archive.example"
recipient = "carol@example.com"

[[rules]]
name = "Old"
journal_to = "old@archive.example"
enabled = false
format = "bcc"
"""
AGENT = """
[agent]
domain = "example.com"
secret_files = ["journal.secret"]
"""
# The beginning of a line for people, after two spaces.
HEADS = ("hold", "bears", "sides", "reports", "rules")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every test works in, with a message, a file of rules, and secrets."""
    monkeypatch.chdir(tmp_path)
    put("message.eml", MESSAGE)
    put("journal.toml", RULES.encode())
    put("agent.toml", (RULES + AGENT).encode())
    put("journal.secret", SECRET + b"\n")
    put("other.secret", OTHER + b"\r\n")
    return tmp_path


def run_decide(
    *words: str | Path,
    message: bytes | None = None,
    rules: str = "journal.toml",
    sender: str = "ann@example.com",
    to: tuple[str, ...] = ("bob@example.com",),
) -> Outcome:
    """Decide about a message, by default that of the folder."""
    recipients = [f"--to={address}" for address in to]
    name, stdin = ("message.eml", b"") if message is None else ("-", message)
    return run("decide", name, "--rules", rules, f"--from={sender}", *recipients, *words, stdin=stdin)


def data(*words: str | Path, **how: Any) -> dict[str, Any]:
    """Decide, with the result as data."""
    outcome = run_decide("--json", *words, **how)
    (found,) = outcome.objects
    assert isinstance(found, dict)
    assert (outcome.status, outcome.err) == (0 if found["hold"] is None else 1, "")
    return found


def reasons(found: dict[str, Any]) -> dict[str, str]:
    """Why each rule fires or does not."""
    return {rule["rule"]: rule["reason"] for rule in found["rules"]}


def sections(text: str) -> dict[str, list[str]]:
    """The lines for people: the text after each heading, and the lines below it."""
    found: dict[str, list[str]] = {}
    head = ""
    for line in text.split("\n")[1:-1]:
        if line.startswith("    "):
            found[head].append(line.strip())
        else:
            head, _, rest = line.strip().partition(" ")
            assert line.startswith("  ")
            assert head in HEADS
            found.setdefault(head, []).append(rest.strip())
    return found


def a_report(message: bytes = MESSAGE, secret: bytes | None = None) -> bytes:
    """A journal report on a message."""
    envelope = Envelope("ann@example.com", ["bob@example.com"], authenticated=True)
    return build_report(report_for(message, envelope), message, domain="example.com", date=DATE, secret=secret)


def stamped() -> bytes:
    """The message, stamped by the agent that the folder configures."""
    agent = load_config("agent.toml").agent
    assert isinstance(agent, JournalAgent)
    return agent.process(MESSAGE, Envelope("ann@example.com", ["bob@example.com"]), received=DATE).message()


class TestUsage:
    """The arguments of the command line."""

    def test_help(self) -> None:
        """The verb is in the help of the command, and has its own."""
        assert "    decide " in run("--help").out
        outcome = run("decide", "--help")
        assert (outcome.status, outcome.err) == (0, "")
        options = (
            "MESSAGE",
            "--rules",
            "--from",
            "--to",
            "--authenticated",
            "--trusted-path",
            "--secret-file",
            "--json",
        )
        assert [word for word in (*options, "--check-config") if word not in outcome.out] == []

    @pytest.mark.parametrize(
        "words",
        [
            [],
            ["message.eml"],
            ["message.eml", "--rules"],
            ["message.eml", "other.eml", "--rules", "journal.toml"],
            ["message.eml", "--rules", "journal.toml", "--from", "a@example.com", "--to"],
            ["message.eml", "--rules", "journal.toml", "--sender", "a@example.com", "--to", "b@example.com"],
            ["--check-config"],
        ],
        ids=" ".join,
    )
    def test_wrong(self, words: list[str]) -> None:
        """Wrong usage is reported on standard error, with exit status 2."""
        outcome = run("decide", *words)
        assert (outcome.status, outcome.data) == (2, b"")
        assert outcome.err.startswith("exjournal")
        assert outcome.err.endswith("--help shows the options\n")

    @pytest.mark.parametrize(
        "words", [[], ["--from", "ann@example.com"], ["--to", "bob@example.com"], ["--from", "<>"], ["--json"]]
    )
    def test_no_envelope(self, words: list[str]) -> None:
        """A missing envelope is reported before standard input is read."""
        outcome = run("decide", "--rules", "journal.toml", *words, stdin=Failing(KeyboardInterrupt()))
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert "--from" in outcome.err
        assert "--to" in outcome.err

    @pytest.mark.parametrize(
        "address",
        [
            "Bob <bob@example.com>",
            "<bob@example.com>",
            "bob@example.com, erin@example.com",
            "bob@example.com\r\nRCPT TO:<erin@example.com>",
            "bob\0@example.com",
            "bob\udcff@example.com",
            " bob@example.com",
            "b" * 600,
        ],
    )
    def test_bad_address(self, address: str) -> None:
        """Anything but a bare address is refused before standard input is read, and not shown."""
        for words in (
            [f"--from={address}", "--to=bob@example.com"],
            ["--from=", "--to=a@example.com", f"--to={address}"],
        ):
            outcome = run("decide", "--rules", "journal.toml", *words, stdin=Failing(KeyboardInterrupt()))
            assert (outcome.status, outcome.data) == (2, b"")
            assert len(outcome.messages) == 1
            assert outcome.err.startswith("exjournal: ")
            assert "example.com" not in outcome.err

    @pytest.mark.parametrize("address", ["", "<>"])
    def test_null_recipient(self, address: str) -> None:
        """The null sender cannot be a recipient."""
        outcome = run_decide(to=("bob@example.com", address))
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1


class TestFiles:
    """The files that are read, and that none is written."""

    @pytest.mark.parametrize("words", [[], ["-"]], ids=["nothing", "dash"])
    def test_standard_input(self, words: list[str]) -> None:
        """Without a file, or for a dash, the message is standard input."""
        envelope = ["--rules", "journal.toml", "--from", "ann@example.com", "--to", "bob@example.com"]
        outcome = run("decide", *words, *envelope, stdin=MESSAGE)
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out == "-\n" + run_decide().out.removeprefix("message.eml\n")

    @pytest.mark.parametrize("kind", UNUSABLE)
    @pytest.mark.parametrize("words", [[], ["--json"]], ids=["text", "json"])
    def test_unreadable_message(self, kind: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A message that cannot be read is named with the reason, with exit status 2."""
        path = unusable(kind, monkeypatch)
        outcome = run("decide", path, "--rules", "journal.toml", "--from=", "--to=bob@example.com", *words)
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"{path}: ")

    @pytest.mark.parametrize("kind", [*UNUSABLE, "broken"])
    @pytest.mark.parametrize("words", [[], ["--json"], ["--check-config"], ["--check-config", "--json"]])
    def test_unreadable_rules(self, kind: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A file of rules that cannot be read is named with the reason, with exit status 2."""
        path = unusable(kind, monkeypatch)
        outcome = run_decide(*words, rules=str(path))
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"{path}: ")

    @pytest.mark.parametrize("words", [[], ["--json"], ["--check-config"], ["--check-config", "--json"]])
    @pytest.mark.parametrize(
        ("text", "where"),
        [
            (RULES.replace('"external"', '"abroad"'), "bad.toml: rules[2].scope: "),
            (RULES.replace("enabled = false", "enabled = 0"), "bad.toml: rules[4].enabled: "),
            (RULES.replace("erin@", "<erin>@"), 'bad.toml: organization.groups."staff@example.com"[1]: '),
            (RULES + AGENT.replace("journal.secret", "none"), "bad.toml: agent.secret_files[0]: "),
            (RULES + AGENT.replace("example.com", "-"), "bad.toml: agent.domain: "),
            ("", "bad.toml: organization: "),
            (RULES + "[[rules]", "bad.toml: "),
            ('"\\u001b[2J" = 1', 'bad.toml: "\\x1b[2J": '),
        ],
    )
    def test_invalid_rules(self, text: str, where: str, words: list[str]) -> None:
        """Rules that cannot work are reported with the path of the key and exit status 2, before standard input is read."""
        put("bad.toml", text.encode())
        outcome = run("decide", "--rules", "bad.toml", *words, stdin=Failing(KeyboardInterrupt()))
        assert (outcome.status, outcome.data) == (2, b"")
        (line,) = outcome.messages
        assert line.removeprefix("exjournal: ").startswith(where)
        assert seen(line)
        assert ": :" not in line
        assert "secret of" not in line

    def test_secrets_beside_the_rules(self) -> None:
        """Files of secrets in the rules are relative to the file of rules, wherever the command runs."""
        put("below/journal.toml", (RULES + AGENT).encode())
        assert run_decide(rules="below/journal.toml").status == 2
        put("below/journal.secret", SECRET)
        assert run_decide(rules="below/journal.toml").status == 0

    @pytest.mark.parametrize("words", [[], ["--json"], ["--trusted-path", "--authenticated"], ["--check-config"]])
    def test_changes_and_sends_nothing(self, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """No decision changes or writes a file, or sends anything."""

        def connect(*_: object) -> NoReturn:
            raise AssertionError("a connection was opened")

        monkeypatch.setattr("socket.socket.connect", connect)
        before = files()
        outcome = run_decide(*words, "--secret-file", "other.secret", rules="agent.toml")
        assert (outcome.status, outcome.err) == (0, "")
        assert files() == before
        assert MESSAGE not in outcome.data

    def test_name_of_a_file(self) -> None:
        """The name of a file is shown without what moves the cursor."""
        put("a\x1b[2J\udcff.eml", MESSAGE)
        put("a\x1b[2J\udcff.toml", RULES.encode())
        words = ["--rules", "a\x1b[2J\udcff.toml", "--from=", "--to=bob@example.com"]
        assert run("decide", "a\x1b[2J\udcff.eml", *words).out.startswith("a\\x1b[2J\\udcff.eml\n")
        assert run("decide", *words, "--check-config").out.startswith("a\\x1b[2J\\udcff.toml: ")
        decided = run("decide", "a\x1b[2J\udcff.eml", *words, "--json").objects[0]
        assert (decided["file"], decided["escaped"]) == ("a\x1b[2J\ufffd.eml", True)
        checked_ = run("decide", *words, "--check-config", "--json").objects[0]
        assert (checked_["file"], checked_["escaped"]) == ("a\x1b[2J\ufffd.toml", True)


class TestEnvelope:
    """The envelope is what the command line says, and decides."""

    def test_several_recipients(self) -> None:
        """Every report lists every recipient, in the order of the command line."""
        to = ["zoe@example.org", "bob@example.com", "all@archive.example", "nobody@example.net"]
        found = data(to=tuple(to))["reports"]
        assert [report["recipients"] for report in found] == [to] * 3

    @pytest.mark.parametrize("sender", ["", "<>"])
    def test_null_sender(self, sender: str) -> None:
        """Both spellings of the null sender leave the decision to From."""
        found = data(sender=sender, to=("nobody@example.com",))
        rules = load_config("journal.toml").rules
        wanted = decide(MESSAGE, Envelope("", ["nobody@example.com"]), rules)
        assert found == {"file": "message.eml", **wanted.to_dict(), "escaped": False}
        from_staff = MESSAGE.replace(b"ann@", b"bob@")
        assert reasons(data(sender=sender, to=("nobody@example.com",), message=from_staff))["Staff"] == "matched"

    def test_authenticated(self) -> None:
        """An authenticated sender is inside: a rule for mail from and to outside does not apply to mail to another inside."""
        assert reasons(data())["Abroad"] == "matched"
        assert reasons(data("--authenticated"))["Abroad"] == "out-of-scope"

    def test_trusted_path(self) -> None:
        """The headers of our own servers are believed: a report is not journaled."""
        report = a_report()
        assert set(reasons(data("--trusted-path", message=report)).values()) == {
            "journal-report",
            "disabled",
            "not-named",
        }
        assert reasons(data(message=report))["All"] == "matched"
        assert data("--trusted-path", message=report)["reports"] == []

    @pytest.mark.parametrize("to", [["all@archive.example"], ["ALL@archive.EXAMPLE", "ndr@example.com"]])
    def test_journal_mailboxes(self, to: list[str]) -> None:
        """Mail to journal mailboxes and the alternate one alone is not journaled."""
        found = data(to=tuple(to))
        assert found["reports"] == []
        assert set(reasons(found).values()) == {"journal-mailbox", "disabled"}


class TestForPrograms:
    """`--json`: one object, with the keys that are documented."""

    def test_whole(self) -> None:
        """The object says everything: the hold, the loops, the reports, and why each rule fires or does not."""
        outcome = run_decide("--json", "--authenticated", to=("erin@example.com", "zoe@example.org"))
        assert outcome.status == 0
        assert outcome.out.count("\n") == 1
        match = {"address": "erin@example.com", "place": "recipient", "member_of": "staff@example.com", "holds": None}
        to = ["erin@example.com", "zoe@example.org"]
        (found,) = outcome.objects
        assert found == {
            "file": "message.eml",
            "hold": None,
            "loops": [],
            "sender_sides": ["inside"],
            "recipient_sides": ["inside", "outside"],
            "reports": [
                {"journal_to": "abroad@archive.example", "format": "envelope", "rules": ["Abroad"], "recipients": to},
                {"journal_to": "all@archive.example", "format": "envelope", "rules": ["All"], "recipients": to},
                {"journal_to": "staff@archive.example", "format": "envelope", "rules": ["Staff"], "recipients": to},
            ],
            "rules": [
                {
                    "rule": "Abroad",
                    "journal_to": "abroad@archive.example",
                    "scope": "external",
                    "matched": True,
                    "reason": "matched",
                    "matches": [],
                },
                {
                    "rule": "All",
                    "journal_to": "all@archive.example",
                    "scope": "global",
                    "matched": True,
                    "reason": "matched",
                    "matches": [],
                },
                {
                    "rule": "Nobody",
                    "journal_to": "all@archive.example",
                    "scope": "global",
                    "matched": False,
                    "reason": "not-named",
                    "matches": [],
                },
                {
                    "rule": "Old",
                    "journal_to": "old@archive.example",
                    "scope": "global",
                    "matched": False,
                    "reason": "disabled",
                    "matches": [],
                },
                {
                    "rule": "Staff",
                    "journal_to": "staff@archive.example",
                    "scope": "global",
                    "matched": True,
                    "reason": "matched",
                    "matches": [match],
                },
            ],
            "escaped": False,
        }
        first = ["file", "hold", "loops", "sender_sides", "recipient_sides", "reports", "rules"]
        assert list(found) == [*first, "escaped"]
        for rule in found["rules"]:
            assert list(rule) == ["rule", "journal_to", "scope", "matched", "reason", "matches"]

    def test_hold_and_loops(self) -> None:
        """A hold has its reason and what it was found by; a loop whether anybody can have written it."""
        message = b"Received: from a\r\n" * HOP_LIMIT + a_report()
        found = data(message=message)
        assert found["hold"] == {"reason": "hop-limit", "detail": "Received"}
        assert found["loops"] == [
            {"reason": "hop-limit", "header": "Received", "forgeable": True},
            {"reason": "report", "header": "X-MS-Journal-Report", "forgeable": True},
        ]

    def test_no_rules(self) -> None:
        """Without a rule nothing is journaled, and the object has all of its keys."""
        put("journal.toml", b'[organization]\ndomains = ["example.com"]\n')
        assert data() == {
            "file": "message.eml",
            "hold": None,
            "loops": [],
            "sender_sides": ["inside", "outside"],
            "recipient_sides": ["inside"],
            "reports": [],
            "rules": [],
            "escaped": False,
        }

    def test_is_ascii(self) -> None:
        """The object is one line of ASCII, for any message."""
        name = "caf\u00e9\x9b\u200b\u202e"
        put("journal.toml", RULES.replace('"All"', '"caf\u00e9\\u009b\u200b\\u202e"').encode())
        outcome = run_decide("--json")
        assert outcome.data.isascii()
        assert seen(outcome.out)
        assert name in reasons(outcome.objects[0])


class TestForPeople:
    """The view: the hold, the signs of earlier journaling, the sides, the reports, and a table of the rules."""

    def test_whole(self) -> None:
        """Reports come with their journal mailbox, format and rules, and every rule has a row that says why."""
        outcome = run_decide("--authenticated", to=("erin@example.com", "zoe@example.org"))
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.out.startswith("message.eml\n")
        found = sections(outcome.out)
        assert list(found) == ["sides", "reports", "rules"]
        assert found["sides"] == ["sender inside, recipients inside and outside"]
        assert found["reports"][0] == "3"
        for line, address, name in zip(
            found["reports"][1:],
            ("abroad@archive.example", "all@archive.example", "staff@archive.example"),
            ("Abroad", "All", "Staff"),
            strict=True,
        ):
            assert line.startswith(address)
            assert "envelope" in line
            assert "2 recipients" in line
            assert line.endswith(name)
        rows = found["rules"][1:]
        assert [row.split()[0] for row in rows] == ["Abroad", "All", "Nobody", "Old", "Staff"]
        assert [" not journaled" in row for row in rows] == [False, False, True, True, False]
        assert "erin@example.com" in rows[4]
        assert "a member of staff@example.com" in rows[4]
        assert "to staff@archive.example" in rows[4]
        assert "disabled" in rows[3]

    def test_says_what_the_data_says(self) -> None:
        """The words of each row are those of the library's explanation."""
        envelope = Envelope("ann@example.com", ["bob@example.com"])
        decision = decide(MESSAGE, envelope, load_config("journal.toml").rules)
        rows = sections(run_decide().out)["rules"][1:]
        assert [" ".join(row.split()) for row in rows] == [str(one).replace(": ", " ", 1) for one in decision.explain()]

    def test_columns(self) -> None:
        """The words of all rules begin in one column, also where a name is shown escaped."""
        put("journal.toml", RULES.replace('"Nobody"', '"\\u009b2JNobody, whose name is long"').encode())
        rows = run_decide().out.split("  rules\n")[1].split("\n")[:-1]
        starts = {row.index("not journaled") if "not journaled" in row else row.index("asks for") for row in rows}
        assert len(starts) == 1

    def test_no_rules(self) -> None:
        """Without rules there is no report, and no row."""
        put("journal.toml", b'[organization]\ndomains = ["example.com"]\n')
        found = sections(run_decide().out)
        assert found == {
            "sides": ["sender inside and outside, recipients inside"],
            "reports": ["none"],
            "rules": [""],
        }

    def test_nothing_to_report(self) -> None:
        """If no rule fires, the view says so, and the rules say why."""
        found = sections(run_decide(to=("ndr@example.com",)).out)
        assert found["reports"] == ["none"]
        assert all("not journaled" in row for row in found["rules"][1:])

    @pytest.mark.parametrize(
        ("sender", "to", "words", "sides"),
        [
            ("ann@example.com", ["bob@example.com"], [], "sender inside and outside, recipients inside"),
            ("ann@example.com", ["bob@example.com"], ["--authenticated"], "sender inside, recipients inside"),
            ("zoe@example.org", ["bob@example.com"], [], "sender outside, recipients inside"),
            (
                "zoe@example.org",
                ["x@example.net"],
                ["--authenticated"],
                "sender inside and outside, recipients outside",
            ),
            ("<>", ["x@example.net"], ["--authenticated"], "sender inside, recipients outside"),
            (
                "root",
                ["bob@example.com", "x@example.net"],
                [],
                "sender inside and outside, recipients inside and outside",
            ),
            ("zoe@example.org", ["ndr@example.com", "all@archive.example"], [], "sender outside, recipients nowhere"),
            ("zoe@example.org", ["old@archive.example"], [], "sender outside, recipients outside"),
        ],
    )
    def test_sides(self, sender: str, to: list[str], words: list[str], sides: str) -> None:
        """One line says on which sides the sender and the recipients are, right before the reports."""
        outcome = run_decide(*words, sender=sender, to=tuple(to))
        assert (outcome.status, outcome.err) == (0, "")
        lines = outcome.out.split("\n")
        assert lines[1] == f"  sides         {sides}"
        assert lines[2].startswith("  reports       ")

    def test_scope(self) -> None:
        """The row of a rule that is out of scope names its scope."""
        row = sections(run_decide("--authenticated").out)["rules"][1]
        assert row.split() == [
            "Abroad",
            "not",
            "journaled:",
            "no",
            "sender",
            "and",
            "recipient",
            "are",
            "in",
            "its",
            "scope,",
            "external",
        ]

    @pytest.mark.parametrize(
        ("message", "reason", "header"),
        [
            (b"RECEIVED: from a\r\n" * HOP_LIMIT + MESSAGE, "hop-limit", "RECEIVED"),
            (b"X: " + b"x" * 1_000_000 + b"\r\n" + MESSAGE, "header-too-large", ""),
        ],
        ids=["hops", "header"],
    )
    def test_hold(self, message: bytes, reason: str, header: str) -> None:
        """The hold of a message comes first, with its reason and an exit status of its own."""
        outcome = run_decide(message=message)
        assert (outcome.status, outcome.err) == (1, "")
        assert outcome.out.split("\n")[1].split() == ["hold", reason, *([header] if header else [])]
        assert any(reason in line for line in sections(outcome.out)["bears"])
        assert all(line == line.rstrip() for line in outcome.out.split("\n"))

    def test_nesting(self) -> None:
        """Reports about reports are held at the limit."""
        message = MESSAGE
        for _ in range(REPORT_NESTING_LIMIT):
            assert "hold" not in sections(run_decide(message=message).out)
            message = a_report(message)
        assert sections(run_decide(message=message).out)["hold"][0].startswith("nesting-limit")

    def test_what_anybody_can_write(self) -> None:
        """Every sign of earlier journaling is shown, and that anybody can have written it."""
        message = (
            b"X-MS-Exchange-Organization-Processed-By-Journaling: Journal Agent\r\nX-EXJOURNAL-Seal: x\r\n" + a_report()
        )
        found = sections(run_decide(message=message).out)
        assert [line.split()[:2] for line in found["bears"]] == [
            ["report", "X-MS-Journal-Report"],
            ["seal", "X-EXJOURNAL-Seal"],
            ["processed", "X-MS-Exchange-Organization-Processed-By-Journaling"],
        ]
        assert all("anybody" in line for line in found["bears"])
        assert found["reports"][0] != "none"

    @pytest.mark.parametrize("character", HELD, ids=ascii)
    def test_terminal(self, character: str) -> None:
        """Nothing that moves the cursor or hides text reaches the terminal, from rules, the command line or the message."""
        text = f"a{character}b"
        escaped = "".join([f"\\U{ord(one):08x}" for one in text])
        rules = f"""
            [organization]
            domains = ["example.com"]
            subaddresses = true
            [organization.groups]
            "{escaped}@example.com" = ["bob@example.com"]
            [[rules]]
            name = "{escaped}"
            journal_to = "{escaped}@archive.example"
            [[rules]]
            name = "Group"
            journal_to = "{escaped}@archive.example"
            recipient = "{escaped}@example.com"
            [[rules]]
            name = "Ann"
            journal_to = "ann@archive.example"
            recipient = "ann@example.com"
        """
        put("journal.toml", rules.encode())
        sender = f"ann+{text}@example.com"
        message = MESSAGE.replace(b"ann@example.com", sender.encode())
        outcome = run_decide(
            message=message, sender=sender, to=("bob@example.com", f"{text}@example.com", f"ann+{text}@example.com")
        )
        assert (outcome.status, outcome.err) == (0, "")
        assert seen(outcome.out)
        assert character[0].encode("unicode_escape").decode() in outcome.out
        for words in (["--check-config"], ["--json"], ["--check-config", "--json"]):
            assert seen(run_decide(*words, message=message).out)


class TestSecrets:
    """Seals and stamps are verified by the secrets of the file of rules, and by those of the command line."""

    def test_stamp(self) -> None:
        """A message that the agent of these rules stamped is not journaled again, and the stamp is shown as verified."""
        found = data(message=stamped(), rules="agent.toml")
        assert found["reports"] == []
        assert found["loops"] == [{"reason": "stamp", "header": "X-ExJournal-Stamp", "forgeable": False}]
        assert set(reasons(found).values()) == {"already-journaled", "disabled", "not-named"}
        (line,) = sections(run_decide(message=stamped(), rules="agent.toml").out)["bears"]
        assert line.split()[:2] == ["stamp", "X-ExJournal-Stamp"]
        assert "verified" in line

    def test_without_the_secret(self) -> None:
        """If no secret verifies the stamp, the message is journaled."""
        found = data(message=stamped())
        assert found["loops"] == [{"reason": "stamp", "header": "X-ExJournal-Stamp", "forgeable": True}]
        assert len(found["reports"]) == 3
        assert data("--secret-file", "other.secret", message=stamped())["reports"] == found["reports"]

    @pytest.mark.parametrize(
        "words", [["journal.secret"], ["other.secret", "journal.secret"], ["journal.secret", "other.secret"]]
    )
    def test_secret_of_the_command_line(self, words: list[str]) -> None:
        """A secret can be named on the command line, and any of several verifies."""
        options = [word for name in words for word in ("--secret-file", name)]
        assert data(*options, message=stamped())["reports"] == []

    def test_both(self) -> None:
        """Secrets of the command line are used in addition to those of the file of rules."""
        for secret in (SECRET, OTHER):
            found = data("--secret-file", "other.secret", message=a_report(secret=secret), rules="agent.toml")
            assert found["loops"][0] == {"reason": "seal", "header": "X-ExJournal-Seal", "forgeable": False}
            assert set(reasons(found).values()) == {"sealed", "disabled", "not-named"}

    @pytest.mark.parametrize("kind", UNUSABLE)
    def test_unreadable(self, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file of a secret that cannot be read is named, before standard input is read, with exit status 2."""
        path = unusable(kind, monkeypatch)
        words = ["--rules", "journal.toml", "--from=", "--to=bob@example.com", "--secret-file", path]
        outcome = run("decide", *words, stdin=Failing(KeyboardInterrupt()))
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert outcome.err.startswith(f"{path}: ")

    def test_too_short(self) -> None:
        """A secret that can be tried out is refused, with exit status 2, and not shown."""
        put("short\x1b.secret", b"hunter2\n\n\n\n\n\n\n\n\n\n\n\n")
        outcome = run_decide("--secret-file", "other.secret", "--secret-file", "short\x1b.secret")
        assert (outcome.status, outcome.data) == (2, b"")
        assert len(outcome.messages) == 1
        assert "short\\x1b.secret: " in outcome.err
        assert "hunter2" not in outcome.err

    def test_never_shown(self) -> None:
        """No output shows a secret."""
        for words in ([], ["--json"], ["--check-config"], ["--check-config", "--json"]):
            outcome = run_decide(*words, "--secret-file", "other.secret", message=stamped(), rules="agent.toml")
            assert outcome.status == 0
            assert b"secret of" not in outcome.data
            assert b"secret in" not in outcome.data


def checked(*words: str, rules: str = "journal.toml") -> Outcome:
    """The output of `--check-config`, which reads no message."""
    return run("decide", "--rules", rules, "--check-config", *words, stdin=Failing(KeyboardInterrupt()))


class TestCheckConfig:
    """`--check-config`: the file of rules alone."""

    def test_fine(self) -> None:
        """A file with nothing odd is counted through, with exit status 0, and no envelope is asked for."""
        outcome = checked(rules="agent.toml")
        assert (outcome.status, outcome.err) == (0, "")
        (line,) = outcome.out.splitlines()
        assert line.startswith("agent.toml: ")
        for words in ("rules 5", "enabled 4", "journal mailboxes 3", "groups 1", "secrets 1"):
            assert words in line

    def test_json(self) -> None:
        """The same as data."""
        outcome = checked("--json", rules="agent.toml")
        assert (outcome.status, outcome.err) == (0, "")
        assert outcome.objects == [
            {
                "file": "agent.toml",
                "rules": 5,
                "enabled": 4,
                "journal_mailboxes": 3,
                "groups": 1,
                "secrets": 1,
                "warnings": [],
                "escaped": False,
            }
        ]

    def test_counts_mailboxes_once(self) -> None:
        """A journal mailbox that two rules spell in two ways, or by an alias, counts once."""
        text = RULES.replace('"staff@archive.example"', '"ALL@Archive.Example"')
        text = text.replace('"abroad@archive.example"', '"other@archive.example"')
        text += '[organization.aliases]\n"all@archive.example" = "other@archive.example"\n'
        put("journal.toml", text.encode())
        assert checked("--json").objects[0]["journal_mailboxes"] == 1

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (RULES.replace('"staff@archive.example"', '"bob@example.com"'), "Staff"),
            (RULES.replace('alternate_mailbox = "ndr@example.com"', ""), "organization.alternate_mailbox"),
            (RULES.replace('domains = ["example.com"]', "domains = []"), "organization.domains"),
            (RULES + '[agent]\ndomain = "example.com"\n', "agent.secret_files"),
            (RULES + AGENT.replace('"journal.secret"', ""), "agent.secret_files"),
        ],
        ids=["journal mailbox among members", "no alternate mailbox", "no domains", "no secrets", "empty secrets"],
    )
    def test_warning(self, text: str, words: str) -> None:
        """Settings that are allowed but odd are shown below the counts, with exit status 1."""
        put("journal.toml", text.encode())
        outcome = checked()
        assert (outcome.status, outcome.err) == (1, "")
        line, warning = outcome.out.splitlines()
        assert line.startswith("journal.toml: ")
        assert warning.startswith("  ")
        assert words in warning
        outcome = checked("--json")
        assert (outcome.status, outcome.err) == (1, "")
        assert outcome.objects[0]["warnings"] == [warning.strip()]

    def test_several_warnings(self) -> None:
        """Each warning has a line."""
        text = RULES.replace('alternate_mailbox = "ndr@example.com"', "")
        text = text.replace('"staff@archive.example"', '"bob@example.com"').replace('"Staff"', '"St\\u009b2Jaff"')
        put("journal.toml", (text + '[agent]\ndomain = "example.com"\nhold_undeliverable = true\n').encode())
        outcome = checked()
        assert outcome.status == 1
        assert seen(outcome.out)
        assert len(checked("--json").objects[0]["warnings"]) == len(outcome.out.splitlines()) - 1 >= 2

    def test_reports_that_are_kept(self) -> None:
        """A configuration that keeps undeliverable reports has no warning about them."""
        text = RULES.replace('alternate_mailbox = "ndr@example.com"', "")
        put("journal.toml", (text + AGENT + "hold_undeliverable = true\n").encode())
        assert checked("--json").objects[0]["warnings"] == []
        assert checked().status == 0

    def test_disabled_rules(self) -> None:
        """A file whose rules are all disabled is read like any other."""
        text = RULES.replace("enabled = false\n", "").replace("journal_to", "enabled = false\njournal_to")
        put("journal.toml", text.encode())
        found = checked("--json").objects[0]
        assert (found["rules"], found["enabled"], found["journal_mailboxes"]) == (5, 0, 0)


class TestAnything:
    """For any message and envelope."""

    @pytest.mark.slow
    @given(
        any_bytes() | message_like(),
        st.just("") | addresses(),
        st.lists(addresses(), min_size=1, max_size=3),
        st.sets(st.sampled_from(["--authenticated", "--trusted-path"])),
    )
    def test_is_decided(self, message: bytes, sender: str, to: list[str], words: set[str]) -> None:
        """There is a decision, as the library makes it, and the view of it is fit for a terminal."""
        with TemporaryDirectory() as name:
            rules = put(Path(name, "journal.toml"), RULES.encode())
            envelope = Envelope(
                sender, to, authenticated="--authenticated" in words, trusted_path="--trusted-path" in words
            )
            wanted = decide(message, envelope, load_config(rules).rules)
            outcome = run_decide("--json", *words, message=message, sender=sender, to=tuple(to), rules=str(rules))
            assert (outcome.status, outcome.err) == (0, "")
            assert outcome.objects == [{"file": "-", **wanted.to_dict(), "escaped": False}]
            outcome = run_decide(*words, message=message, sender=sender, to=tuple(to), rules=str(rules))
            assert (outcome.status, outcome.err) == (0, "")
            assert seen(outcome.out)
            found = sections(outcome.out)
            ends = [" and ".join(sides) or "nowhere" for sides in (wanted.sender_sides, wanted.recipient_sides)]
            assert found["sides"] == [f"sender {ends[0]}, recipients {ends[1]}"]
            assert found["reports"][0] == str(len(wanted.reports) or "none")
            assert ("hold" in found) is (wanted.hold is not None)
            assert len(found.get("bears", [])) == len(wanted.loops)
