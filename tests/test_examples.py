"""The examples: they run unchanged, between servers on this machine, and the rules of the example file load."""

import asyncio
import runpy
import shutil
import smtplib
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

import exjournal
from exjournal import (
    LEAVING_HEADERS,
    ORGANIZATION_HEADERS,
    JournalAgent,
    Organization,
    Recipient,
    RuleSet,
    Seal,
    build_report,
    detect_format,
    load_config,
    parse_report,
    report_for,
    strip_headers,
    verify_seal,
)
from exjournal.journaling.config import _AGENT, _OPTIONS, _ORGANIZATION, _RULE, _TABLES, Config
from exjournal.journaling.header_firewall import matching_headers

EXAMPLES = Path(__file__).parent.parent / "examples"
MESSAGE = (EXAMPLES / "message.eml").read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
GATEWAY = runpy.run_path(str(EXAMPLES / "gateway.py"))
BORDER = runpy.run_path(str(EXAMPLES / "border.py"))
RELAY = runpy.run_path(str(EXAMPLES / "relay.py"))


class Handler(Protocol):
    """What answers for a message."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope, /) -> str:  # noqa: N802
        """Answer."""


class Taken(NamedTuple):
    """A message that the next server accepted."""

    mail_from: str
    rcpt_tos: list[str]
    content: bytes


class Sink:
    """The next server: keeps each message, and refuses some recipients."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.refused: set[str] = set()

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take a recipient, or defer it."""
        if address in self.refused:
            return "450 4.2.1 not now"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a message."""
        self.taken.append(Taken(envelope.mail_from or "", envelope.rcpt_tos, envelope.original_content or b""))
        return "250 OK"


class Server(Controller):
    """A server on a port of its own choice."""

    def __init__(self, handler: object) -> None:
        super().__init__(handler, hostname="127.0.0.1", port=0)

    def _trigger_server(self) -> None:
        """Try the port that the system chose, not the 0 that asked for it."""
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.hostname, self.port


@pytest.fixture
def sink() -> Sink:
    """The messages of the next server."""
    return Sink()


@pytest.fixture
def behind(sink: Sink) -> Iterator[tuple[str, int]]:
    """The address of the next server."""
    server = Server(sink)
    server.start()
    yield server.address
    server.stop()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """The example file with a secret beside it."""
    shutil.copy(EXAMPLES / "journal.toml", tmp_path)
    (tmp_path / "journal.key").write_bytes(b"a secret of the organization\n")
    return load_config(tmp_path / "journal.toml")


def send(handler: object, message: bytes, mail_from: str, *rcpt_to: str) -> tuple[int, bytes]:
    """Give a message to a handler by SMTP, and return its answer."""
    server = Server(handler)
    server.start()
    try:
        with smtplib.SMTP(*server.address) as client:
            client.ehlo()
            client.mail(mail_from, ["BODY=8BITMIME"])
            for address in rcpt_to:
                client.rcpt(address)
            return client.data(message)
    finally:
        server.stop()


def send_as_it_is(handler: object, message: bytes, mail_from: str, *rcpt_to: str) -> tuple[int, bytes]:
    """The same for a message with bare line ends, which smtplib would write anew: a dot is doubled only after CRLF."""
    server = Server(handler)
    server.start()
    try:
        with smtplib.SMTP(*server.address) as client:
            client.ehlo()
            client.mail(mail_from, ["BODY=8BITMIME"])
            for address in rcpt_to:
                client.rcpt(address)
            client.docmd("DATA")
            client.send((b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n")
            return client.getreply()
    finally:
        server.stop()


class TestReport:
    """examples/report.eml, which the documentation reads."""

    def test_report(self) -> None:
        """It is what `build_report` gives for examples/message.eml, with a Bcc recipient and a member of a list."""
        member = Recipient("dave@example.com", expanded_from="staff@example.com")
        recipients = ["bob@example.com", "carol@example.net", "hidden@example.org", member]
        message = (EXAMPLES / "message.eml").read_bytes()
        report = report_for(message, exjournal.Envelope("ann@example.com", recipients, authenticated=True))
        date = datetime(2026, 10, 1, 7, 0, 5, tzinfo=UTC)
        assert (EXAMPLES / "report.eml").read_bytes() == build_report(report, message, domain="example.com", date=date)


class TestConfiguration:
    """The example file of rules."""

    def test_complete(self) -> None:
        """It has every key that a file can have."""
        tables = tomllib.loads((EXAMPLES / "journal.toml").read_text(encoding="utf-8"))
        assert set(tables) == set(_TABLES)
        for name, keys in (("organization", _ORGANIZATION), ("options", _OPTIONS), ("agent", _AGENT)):
            assert set(tables[name]) == set(keys)
        assert set().union(*tables["rules"]) == set(_RULE)

    def test_loads(self, config: Config) -> None:
        """It loads, with nothing odd about it."""
        assert len(config.rules.rules) == 4
        assert config.rules.warnings == ()
        assert config.agent is not None

    def test_defaults(self, config: Config) -> None:
        """What it shows for true and false is the default, but for the rule that is switched off."""
        plain = RuleSet((), Organization(["example.com"]))
        assert config.agent is not None
        agent = JournalAgent(config.rules, domain="example.com")
        assert [getattr(config.rules, name) for name in _OPTIONS] == [getattr(plain, name) for name in _OPTIONS]
        for name in ("hold_undeliverable", "write_processed", "eight_bit"):
            assert getattr(config.agent, name) == getattr(agent, name)
        for name in ("voice_mail", "subaddresses"):
            assert getattr(config.rules.organization, name) == getattr(plain.organization, name)


class TestGateway:
    """examples/gateway.py between a client and the next server."""

    def test_reports_go_first(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """Every report is delivered before the message, which arrives stamped and otherwise as it was."""
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=True)
        answer, _ = send(gateway, MESSAGE, "ann@example.com", "bob@example.com", "erin@example.com")
        assert answer == 250
        assert [(one.mail_from, one.rcpt_tos) for one in sink.taken] == [
            ("journal-ndr@example.com", ["journal@archive.example"]),
            ("journal-ndr@example.com", ["legal@archive.example"]),
            ("ann@example.com", ["bob@example.com", "erin@example.com"]),
        ]
        *reports, message = [one.content for one in sink.taken]
        assert message.startswith(b"X-ExJournal-Stamp: ")
        assert message.endswith(MESSAGE)
        for report in reports:
            assert verify_seal(report, secrets=config.secrets) is Seal.VALID
            assert parse_report(report).original_bytes() == MESSAGE

    def test_the_null_sender(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """A bounce for somebody inside passes, and is journaled as every message."""
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=False)
        answer, _ = send(gateway, MESSAGE, "", "bob@example.com")
        assert answer == 250
        [report, message] = sink.taken
        assert parse_report(report.content).report.envelope_sender == ""
        assert (message.mail_from, message.rcpt_tos) == ("<>", ["bob@example.com"])

    def test_no_report_no_message(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """Where a journal mailbox refuses, the message does not go on, and the client keeps it."""
        sink.refused.add("legal@archive.example")
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=True)
        answer, _ = send(gateway, MESSAGE, "ann@example.com", "bob@example.com", "erin@example.com")
        assert answer == 451
        assert [one.rcpt_tos for one in sink.taken] == [["journal@archive.example"]]

    def test_retry(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """A second try brings the same report under the same id, and then the message."""
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=True)
        sink.refused.add("legal@archive.example")
        assert send(gateway, MESSAGE, "ann@example.com", "bob@example.com", "erin@example.com")[0] == 451
        sink.refused.clear()
        assert send(gateway, MESSAGE, "ann@example.com", "bob@example.com", "erin@example.com")[0] == 250
        first, again, _, _ = [one.content for one in sink.taken]
        assert parse_report(first).report_id == parse_report(again).report_id

    def test_a_recipient_is_refused(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """Where one recipient is refused nobody gets the message, nothing is reported, and the client reads the refusal."""
        sink.refused.add("erin@example.com")
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=True)
        answer = send(gateway, MESSAGE, "ann@example.com", "bob@example.com", "erin@example.com")
        assert answer == (450, b"4.2.1 not now")
        assert sink.taken == []

    def test_second_pass(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """A message that passes a second time under its stamp is passed on as it is, and not journaled again."""
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=True)
        send(gateway, MESSAGE, "ann@example.com", "bob@example.com")
        stamped = sink.taken[-1].content
        send(gateway, stamped, "ann@example.com", "bob@example.com")
        assert sink.taken[2:] == [Taken("ann@example.com", ["bob@example.com"], stamped)]

    def test_strangers(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """At the door for strangers an inside sender is outside as well, and roles are not believed."""
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=False)
        send(gateway, MESSAGE, "ann@example.com", "hal@example.com")
        [report, _] = sink.taken
        assert report.rcpt_tos == ["journal@archive.example"]
        assert {str(one.role) for one in parse_report(report.content).report.recipients} == {"Recipient"}

    def test_hold(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """A message that passed a hundred servers is held."""
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=True)
        answer = send(gateway, b"Received: a\r\n" * 100 + MESSAGE, "ann@example.com", "bob@example.com")
        assert answer == (451, b"4.3.0 held: hop-limit")
        assert sink.taken == []

    def test_too_large(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """A report that is larger than the journal mailbox takes goes to the alternate mailbox."""
        agent = JournalAgent(config.rules, domain="example.com", size_limit=1000)
        gateway = GATEWAY["Gateway"](agent, behind, authenticated=True)
        assert send(gateway, MESSAGE, "ann@example.com", "bob@example.com")[0] == 250
        assert [one.rcpt_tos for one in sink.taken] == [["journal-ndr@example.com"], ["bob@example.com"]]

    def test_binary(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """A message with a NUL cannot be sent by smtplib, and stays with the client."""
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=True)
        assert send(gateway, MESSAGE + b"\0\r\n", "ann@example.com", "bob@example.com")[0] == 451
        assert sink.taken == []

    @pytest.mark.parametrize(
        "body",
        [b"a\n.b\r\n", b"a\n.\n\r\n", b"a\n.\r\n", b"a\r.\r\n", b"a\r\n.\rb\r\n", b"\n\r\n", b"a\rb\r\n"],
        ids=repr,
    )
    def test_bare_line_ends(self, config: Config, sink: Sink, behind: tuple[str, int], body: bytes) -> None:
        """A message with a bare CR or LF is refused, and nothing of it is journaled, passed on or read as another message."""
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=True)
        answer = send_as_it_is(gateway, MESSAGE + body, "ann@example.com", "bob@example.com")
        assert answer == (554, b"5.6.0 a bare CR or LF in the message (RFC 5321, 2.3.8)")
        assert sink.taken == []

    def test_dots(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """Dots at the beginning of lines arrive as they came, in the message and in a report whose seal verifies."""
        message = MESSAGE + b".\r\n..\r\n.a\r\n\r\n.\r\n"
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=True)
        assert send_as_it_is(gateway, message, "ann@example.com", "bob@example.com")[0] == 250
        report, passed_on = [one.content for one in sink.taken]
        assert passed_on.endswith(message)
        assert parse_report(report).original_bytes() == message
        assert verify_seal(report, secrets=config.secrets) is Seal.VALID

    def test_needs_an_agent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Started with a file that has no table for it, the example says so."""
        (tmp_path / "rules.toml").write_text('[organization]\ndomains = ["example.com"]\n', encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["gateway.py", str(tmp_path / "rules.toml")])
        with pytest.raises(SystemExit, match="no \\[agent\\]"):
            GATEWAY["main"]()


class TestRelay:
    """examples/relay.py between a message and the next server; the documentation runs it without one."""

    def take(self, config: Config, address: tuple[str, int], message: bytes = MESSAGE) -> str:
        """Return the answer to a message for one recipient inside and one outside."""
        envelope = exjournal.Envelope("ann@example.com", ["bob@example.com", "carol@example.net"], authenticated=True)
        with smtplib.SMTP(*address) as server:
            answer: str = RELAY["take"](config.agent, message, envelope, server.sendmail)
        return answer

    def test_reports_go_first(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """The report is delivered before the message."""
        assert self.take(config, behind).startswith("250 ")
        assert [(one.mail_from, one.rcpt_tos) for one in sink.taken] == [
            ("journal-ndr@example.com", ["journal@archive.example"]),
            ("ann@example.com", ["bob@example.com", "carol@example.net"]),
        ]

    @pytest.mark.parametrize(
        ("refused", "taken"), [("journal@archive.example", 0), ("carol@example.net", 2)], ids=["report", "recipient"]
    )
    def test_refused(self, config: Config, sink: Sink, behind: tuple[str, int], refused: str, taken: int) -> None:
        """If a report or a recipient is refused, the client keeps the message; without its report it does not go on."""
        sink.refused.add(refused)
        assert self.take(config, behind).startswith("451 ")
        assert len(sink.taken) == taken

    @pytest.mark.parametrize(
        ("message", "answer"),
        [
            (MESSAGE + b"\n", "554 5.6.0 "),
            (MESSAGE + b"\0", "554 5.6.1 "),
            (b"Received: a\r\n" * 100 + MESSAGE, "451 4.3.0 "),
        ],
        ids=["bare LF", "NUL", "loop"],
    )
    def test_not_passed_on(
        self, config: Config, sink: Sink, behind: tuple[str, int], message: bytes, answer: str
    ) -> None:
        """Nothing is sent of a message that cannot be sent unchanged, or that is to be held."""
        assert self.take(config, behind, message).startswith(answer)
        assert sink.taken == []

    def test_other_scripts(self, config: Config) -> None:
        """A message with an address or a header that is not ASCII asks the next server for SMTPUTF8."""
        sent: list[list[str]] = []

        def send(_from: str, _to: list[str], _content: bytes, options: list[str]) -> None:
            sent.append(options)

        for recipient, message in (
            ("bob@example.com", MESSAGE),
            ("bøb@example.com", MESSAGE),
            ("bob@example.com", "Subject: ø\r\n".encode() + MESSAGE),
        ):
            envelope = exjournal.Envelope("ann@example.com", [recipient], authenticated=True)
            assert RELAY["take"](config.agent, message, envelope, send).startswith("250 ")
            sent[:-1] = []
            assert ("SMTPUTF8" in sent.pop()) is not (message is MESSAGE and recipient.isascii())


class TestSendAgain:
    """examples/send_again.py with a server; the documentation runs it without one."""

    def test_sent_and_refused(
        self,
        sink: Sink,
        behind: tuple[str, int],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """A report is moved once it was accepted, as it is; a truncated one is not sent, and a refused one stays."""
        report = (EXAMPLES / "report.eml").read_bytes()
        (tmp_path / "1.eml").write_bytes(report)
        (tmp_path / "2.eml").write_bytes(report[:1500])
        (tmp_path / "3.eml").write_bytes(MESSAGE)
        arguments = ["send_again.py", str(tmp_path), "journal@archive.example", "journal-ndr@example.com"]
        monkeypatch.setattr(sys, "argv", [*arguments, "{}:{}".format(*behind)])
        sink.refused.add("journal@archive.example")
        runpy.run_path(str(EXAMPLES / "send_again.py"), run_name="__main__")
        sink.refused.clear()
        runpy.run_path(str(EXAMPLES / "send_again.py"), run_name="__main__")
        looked_at = ["look at 2.eml", "look at 3.eml"]
        refused = "not accepted: 1.eml: SMTPRecipientsRefused"
        assert capsys.readouterr().out.splitlines() == [refused, *looked_at, "sent 1.eml", *looked_at]
        assert sink.taken == [Taken("journal-ndr@example.com", ["journal@archive.example"], report)]
        assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.eml")) == [
            "2.eml",
            "3.eml",
            "sent/1.eml",
        ]


class TestWhoReceived:
    """examples/who_received.py on the table of recipients of a scan."""

    def test_what_looks_like_a_formula(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An address that a spreadsheet could run as a formula is found in any spelling, also as a forwarding mailbox."""
        recipients = ["+plus@example.com", Recipient("bob@example.com", forwarded_from="=former@example.com")]
        report = exjournal.JournalReport(sender="ann@example.com", recipients=recipients)
        (tmp_path / "1.eml").write_bytes(build_report(report, MESSAGE, domain="example.com"))
        table = tmp_path / "recipients.csv"
        exjournal.scan_archive(tmp_path / "1.eml", recipients=table, jobs=1)
        for wanted in ("+Plus@Example.com", "=former@example.com", "ann@example.com"):
            monkeypatch.setattr(sys, "argv", ["who_received.py", str(table), wanted])
            runpy.run_path(str(EXAMPLES / "who_received.py"))
        assert capsys.readouterr().out.splitlines() == [
            "Recipient, +plus@example.com, , , envelope, true, ",
            "1 messages; 0 items have no known recipient",
            "Recipient, bob@example.com, , =former@example.com, envelope, true, ",
            "1 messages; 0 items have no known recipient",
            "0 messages; 0 items have no known recipient",
        ]


class TestBorder:
    """examples/border.py between two servers."""

    forged = b"X-MS-Exchange-Organization-Processed-By-Journaling: Journal Agent\r\nx-exjournal-stamp: v=2\r\n"

    def test_arriving(self, sink: Sink, behind: tuple[str, int]) -> None:
        """What a stranger forged is gone, and every other byte is there."""
        border = BORDER["Border"](behind, ORGANIZATION_HEADERS)
        assert send(border, self.forged + MESSAGE, "eve@example.org", "bob@example.com")[0] == 250
        assert sink.taken == [Taken("eve@example.org", ["bob@example.com"], MESSAGE)]

    def test_leaving(self, sink: Sink, behind: tuple[str, int]) -> None:
        """The stamp stays inside; a seal goes out."""
        border = BORDER["Border"](behind, LEAVING_HEADERS)
        send(border, self.forged + b"X-ExJournal-Seal: v=2\r\n" + MESSAGE, "ann@example.com", "carol@example.net")
        assert [one.content for one in sink.taken] == [b"X-ExJournal-Seal: v=2\r\n" + MESSAGE]

    def test_names_of_leaving(self) -> None:
        """What goes off mail to outside is our stamp and the organization's fields, under any spelling, and no other field."""
        taken = (
            "X-MS-Exchange-Organization-Journal-Report",
            "x-ms-exchange-organization-SCL",
            "X-MS-Exchange-Forest-RulesExecuted",
            "X-MS-Exchange-CrossPremises-Processed-By-Journaling",
            "X-EXJOURNAL-STAMP",
        )
        kept = (
            "X-ExJournal-Seal",
            "X-ExJournal-Envelope-Sender",
            "X-ExJournal-Stamp-Of-Another",
            "X-MS-Journal-Report",
            "X-MS-Exchange-Parent-Message-Id",
            "Received",
        )
        fields = "".join([f"{name}: x\r\n" for name in (*taken, *kept)]).encode() + MESSAGE
        assert matching_headers(fields, LEAVING_HEADERS) == taken
        assert strip_headers(fields, LEAVING_HEADERS) == "".join([f"{name}: x\r\n" for name in kept]).encode() + MESSAGE
        assert set(matching_headers(fields, ORGANIZATION_HEADERS)) == {*taken, *kept[:3]}

    def test_a_report_that_leaves(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """A report to a journal mailbox outside still verifies after the border, where the message has lost its stamp."""
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=True)
        send(gateway, MESSAGE, "ann@example.com", "bob@example.com")
        before = sink.taken.copy()
        sink.taken.clear()
        border = BORDER["Border"](behind, LEAVING_HEADERS)
        for one in before:
            odd = b"X-MS-Exchange-Organization-SCL: -1\r\n" + one.content
            assert send(border, odd, one.mail_from, *one.rcpt_tos)[0] == 250
        (report, message), (_, stamped) = sink.taken, before
        assert report == before[0]
        assert verify_seal(report.content, secrets=config.secrets) is Seal.VALID
        assert parse_report(report.content).original_bytes() == MESSAGE
        assert stamped.content.startswith(b"X-ExJournal-Stamp: ")
        assert message.content == MESSAGE

    def test_a_report_with_a_stamp(self, config: Config, sink: Sink, behind: tuple[str, int]) -> None:
        """The stamp of a second server goes off a report, whose seal and marker stay; a seal of a stranger does not come in."""
        gateway = GATEWAY["Gateway"](config.agent, behind, authenticated=True)
        send(gateway, MESSAGE, "ann@example.com", "bob@example.com")
        report = sink.taken[0].content
        fields = b"X-ExJournal-Stamp: v=2\r\nX-MS-Exchange-Organization-Journal-Report:\r\nReceived: from a\r\n"
        left = strip_headers(fields + report, LEAVING_HEADERS)
        assert left == b"Received: from a\r\n" + report
        assert verify_seal(left, secrets=config.secrets) is Seal.VALID
        assert detect_format(left) is detect_format(report) is not None
        assert verify_seal(strip_headers(left, ORGANIZATION_HEADERS), secrets=config.secrets) is Seal.ABSENT

    @pytest.mark.slow
    def test_too_large(self, sink: Sink, behind: tuple[str, int]) -> None:
        """A header block that cannot be looked at does not pass."""
        border = BORDER["Border"](behind, ORGANIZATION_HEADERS)
        answer = send(border, b"X-A: a\r\n" * 70_000 + MESSAGE, "eve@example.org", "bob@example.com")
        assert answer == (554, b"5.6.0 header-too-large")
        assert sink.taken == []

    @pytest.mark.parametrize("body", [b"a\n.b\r\n", b"a\n.\n\r\n", b"a\r.\r\n"], ids=repr)
    def test_bare_line_ends(self, sink: Sink, behind: tuple[str, int], body: bytes) -> None:
        """A message with a bare CR or LF does not pass, as it would not arrive as it came."""
        border = BORDER["Border"](behind, ORGANIZATION_HEADERS)
        answer = send_as_it_is(border, MESSAGE + body, "eve@example.org", "bob@example.com")
        assert answer == (554, b"5.6.0 a bare CR or LF in the message (RFC 5321, 2.3.8)")
        assert sink.taken == []

    def test_dots(self, sink: Sink, behind: tuple[str, int]) -> None:
        """Dots at the beginning of lines arrive as they came."""
        border = BORDER["Border"](behind, ORGANIZATION_HEADERS)
        send_as_it_is(border, MESSAGE + b".\r\n..a\r\n", "eve@example.org", "bob@example.com")
        assert [one.content for one in sink.taken] == [MESSAGE + b".\r\n..a\r\n"]

    def test_refused(self, sink: Sink, behind: tuple[str, int]) -> None:
        """A message that the next server refuses stays with the client."""
        sink.refused.add("bob@example.com")
        border = BORDER["Border"](behind, ORGANIZATION_HEADERS)
        assert send(border, MESSAGE, "eve@example.org", "bob@example.com")[0] == 451
