"""Postfix with exjournal behind it (examples/postfix): what arrives, what is reported, what a failure leaves behind."""

import re
import runpy
import shutil
import smtplib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from exjournal import ParsedReport, ParseError, ReportFormat, Seal, parse_report, unwrap_undeliverable, verify_seal

pytestmark = pytest.mark.service

EXAMPLE = Path(__file__).parents[2] / "examples" / "postfix"
RUN = runpy.run_path(str(EXAMPLE / "run.py"))
JOURNAL, ALTERNATE, COPIES = "journal@archive.example", "journal-ndr@example.com", "copies@archive.example"
SECOND, POSTMASTER = "second@archive.example", "postmaster@example.com"
SECRET = b"a secret of the organization"
RULES = f"""
[organization]
domains = ["example.com"]
alternate_mailbox = "{ALTERNATE}"
[[rules]]
name = "Everything"
journal_to = "{JOURNAL}"
[[rules]]
name = "A second archive"
journal_to = "{SECOND}"
recipient = "twice@example.com"
[[rules]]
name = "Copies"
journal_to = "{COPIES}"
recipient = "copied@example.com"
format = "bcc"
[agent]
domain = "example.com"
secret_files = ["journal.key"]
"""
# What the servers of a journey put before a message.
TRACE = re.compile(rb"(?:(?:Received|X-ExJournal-Stamp|Return-Path):.*\r\n(?:[ \t].*\r\n)*)*")
SECONDS = 30
BIG = b"From: Ann <ann@example.com>\r\nTo: bob@example.com\r\n\r\n" + b"The figures are final. " * 40 + b"\r\n"
BIG += (b"x" * 76 + b"\r\n") * 13_500


def message(*fields: str, to: str = "bob@example.com", body: str = "The figures are final.\r\n") -> bytes:
    """A message of Ann's, with more fields."""
    header = ["From: Ann <ann@example.com>", f"To: {to}", "Subject: Figures", *fields]
    return ("".join(f"{field}\r\n" for field in header) + "\r\n" + body).encode()


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether something comes to hold."""
    return any(holds() or threading.Event().wait(0.05) for _ in range(20 * SECONDS))


class Taken(NamedTuple):
    """A message that a mailbox took."""

    mail_from: str
    rcpt_tos: list[str]
    content: bytes


class Wire(SMTP):
    """A server that takes lines of any length."""

    line_length_limit = 1 << 24


class Mailboxes(Controller):
    """Everybody's mailbox, and the answers of those that refuse."""

    def __init__(self) -> None:
        [port] = RUN["free_ports"](1)
        super().__init__(self, hostname="127.0.0.1", port=port)
        self.empty()

    def empty(self) -> None:
        """Forget what came, and refuse nobody."""
        self.taken: list[Taken] = []
        self.answers: dict[str, str] = {}
        self.extensions = True
        self.before: Callable[[], object] = bool

    def factory(self) -> Wire:
        """A connection."""
        return Wire(self, enable_SMTPUTF8=True, data_size_limit=None)

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: Envelope, host_name: str, answer: list[str]
    ) -> list[str]:
        """Offer what a server offers, or nothing."""
        session.host_name = host_name
        return answer if self.extensions else ["250 " + answer[0][4:]]

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take a recipient, or answer what this one answers."""
        if address not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get(address, "250 2.1.5 OK")

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a message."""
        sender = "" if envelope.mail_from == "<>" else envelope.mail_from or ""
        self.taken.append(Taken(sender, envelope.rcpt_tos, envelope.original_content or b""))
        self.before()
        return "250 2.0.0 OK"

    def wait(self, count: int) -> list[Taken]:
        """What came, once it is so many."""
        assert eventually(lambda: len(self.taken) >= count), [one[:2] for one in self.taken]
        return self.taken

    def of(self, mailbox: str) -> list[bytes]:
        """What came to a mailbox."""
        return [one.content for one in self.taken if mailbox in one.rcpt_tos]


class Gateway:
    """Postfix, the filter behind it, and the mailboxes behind both."""

    def __init__(self, folder: Path, mailboxes: Mailboxes) -> None:
        self.mailboxes = mailboxes
        self.rules = folder / "journal.toml"
        self.rules.write_text(RULES, encoding="utf-8")
        (folder / "journal.key").write_bytes(SECRET)
        # Less than a bounce of the largest report.
        self.postfix = RUN["Postfix"](folder, mailboxes.port, "client_size_limit=1055500")
        self.filter: Any = None
        self.options: tuple[str, ...] = ()

    def start_filter(self, *options: str) -> None:
        """Have the filter run with these options."""
        if self.filter is not None and self.filter.process.poll() is None and self.options == options:
            return
        self.stop_filter()
        self.options = options
        running = RUN["Filter"](self.postfix, self.rules, *options)
        try:
            self.filter = running.__enter__()
        except SystemExit as error:
            # What ends the example must not end the run.
            pytest.fail(str(error))

    def stop_filter(self) -> None:
        """Stop the filter."""
        if self.filter is not None:
            self.filter.__exit__()
        self.filter = None

    def kill_filter(self) -> None:
        """End the filter without a warning."""
        self.filter.process.kill()
        self.filter.process.wait()

    def send(
        self,
        data: bytes,
        *rcpt_to: str,
        sender: str = "ann@example.com",
        port: int = 587,
        options: str = "BODY=8BITMIME",
    ) -> tuple[int, bytes]:
        """Give a message to Postfix, and return its answer, or the first refusal."""
        with smtplib.SMTP("127.0.0.1", self.postfix.ports[port]) as client:
            client.ehlo()
            client.command_encoding = "utf-8"
            answers = [client.docmd("MAIL", f"FROM:<{sender}> {options}")]
            answers += [client.docmd("RCPT", f"TO:{one}" if "<" in one else f"TO:<{one}>") for one in rcpt_to]
            refusals = [one for one in answers if one[0] >= 400]
            return refusals[0] if refusals else client.data(data)

    def queue(self) -> list[str]:
        """The lines on what waits, one for each message; a message that is being delivered has a star."""
        listed: str = self.postfix.call("postqueue", "-j")
        return listed.splitlines()

    def waits(self) -> bool:
        """Whether something waits, and nothing is being delivered."""
        return bool(self.queue()) and all('"queue_name": "deferred"' in one for one in self.queue())

    def flush(self) -> bool:
        """Have all that waits tried again at once; whether nothing is left."""
        self.postfix.call("postqueue", "-f")
        return eventually(lambda: not self.queue() or self.waits()) and not self.queue()


@pytest.fixture(scope="module")
def shared() -> Iterator[Gateway]:
    """A gateway for all tests."""
    mailboxes = Mailboxes()
    mailboxes.start()
    folder = Path(tempfile.mkdtemp(prefix="postfix"))
    gateway = Gateway(folder, mailboxes)
    try:
        with gateway.postfix:
            yield gateway
            gateway.stop_filter()
    finally:
        mailboxes.stop()
        shutil.rmtree(folder)


@pytest.fixture
def gateway(shared: Gateway) -> Iterator[Gateway]:
    """The gateway, with an empty queue and nobody who refuses."""
    shared.mailboxes.empty()
    shared.start_filter()
    yield shared
    shared.postfix.call("postsuper", "-d", "ALL")


@pytest.fixture
def mailboxes(gateway: Gateway) -> Mailboxes:
    """Everybody's mailbox."""
    return gateway.mailboxes


def is_unchanged(content: bytes, data: bytes) -> bool:
    """Whether what came is a message with nothing but trace fields and our stamp before it."""
    return content.endswith(data) and TRACE.fullmatch(content[: -len(data)]) is not None


def recipients(report: bytes) -> list[tuple[str, str, str | None]]:
    """Who a report names: role, address, and the list."""
    return [(str(one.role), one.address, one.expanded_from) for one in parse_report(report).report.recipients]


TEXT = "Content-Type: text/plain; charset=utf-8"
DEEP = "".join(f'Content-Type: multipart/mixed; boundary="b{x}"\r\n\r\n--b{x}\r\n' for x in range(150))
HOSTILE = {
    "plain": message("Date: Thu, 1 Oct 2026 09:00:00 +0200", "Message-ID: <figures@example.com>"),
    "eight bits": message("MIME-Version: 1.0", TEXT, "Content-Transfer-Encoding: 8bit", body="Grüße\r\n"),
    "eight bits undeclared": message("Comments: Grüße", body="Grüße\r\n"),
    "long lines": message(body="x" * 950 + "\r\n" + "y" * 5000 + "\r\n" + "z" * 200_000 + "\r\n"),
    "dots": message(body=".\r\n..\r\n.x\r\n\r\n\r\n"),
    "nothing but a subject": b"Subject: nothing else\r\n\r\nx\r\n",
    "no header": b"\r\nThe figures are final.\r\n",
    "incomplete addresses": b"From: ann\r\nTo: bob, carol@host\r\nCc: a%b@example.com\r\n\r\nx\r\n",
    "a field of 190 KB": message(to=",\r\n ".join(f"user{x}@example.com" for x in range(8000))),
    "odd folding": message("X-A:\r\n  \r\n\tb", "X-B:  two  "),
    "150 levels": message("MIME-Version: 1.0", DEEP),
    "a report marker": message(
        "X-MS-Journal-Report:", "X-MS-Exchange-Organization-Processed-By-Journaling: Journal Agent"
    ),
}


class TestArrival:
    """What arrives is what was sent."""

    @pytest.mark.parametrize("port", [587, 25])
    @pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
    def test_unchanged(self, gateway: Gateway, mailboxes: Mailboxes, data: bytes, port: int) -> None:
        """A message arrives with all of its bytes, behind two Received fields and a stamp; so the report has it."""
        assert gateway.send(data, "bob@example.com", port=port)[0] == 250
        mailboxes.wait(2)
        [arrived], [report] = mailboxes.of("bob@example.com"), mailboxes.of(JOURNAL)
        assert is_unchanged(arrived, data)
        assert arrived.count(b"Received:", 0, -len(data)) == 2
        assert is_unchanged(parse_report(report).original_bytes(), data)
        assert arrived.endswith(parse_report(report).original_bytes())
        assert verify_seal(report, secrets=[SECRET]) is Seal.VALID

    def test_to_a_server_without_extensions(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """A server that offers no 8BITMIME gets the same bytes as any other."""
        mailboxes.extensions = False
        data = HOSTILE["eight bits"]
        gateway.send(data, "bob@example.com")
        mailboxes.wait(2)
        assert is_unchanged(mailboxes.of("bob@example.com")[0], data)
        assert parse_report(mailboxes.of(JOURNAL)[0]).original_bytes().endswith(data)

    def test_what_postfix_changes(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """Before the filter Postfix takes out Bcc and ends lines with CRLF; the report has the message as it is delivered."""
        fields = ("Bcc: carol@example.net", "Return-Path: <eve@example.org>", "Content-Length: 3")
        gateway.send(message(*fields, body="a\rb\nc\r\n"), "bob@example.com", "carol@example.net")
        mailboxes.wait(2)
        [arrived], [report] = mailboxes.of("bob@example.com"), mailboxes.of(JOURNAL)
        assert is_unchanged(arrived, message(body="a b\r\nc\r\n"))
        assert arrived.endswith(parse_report(report).original_bytes())
        assert recipients(report) == [("To", "bob@example.com", None), ("Bcc", "carol@example.net", None)]

    def test_nul(self, gateway: Gateway) -> None:
        """A message with a NUL is refused at the door."""
        assert gateway.send(message(body="a\0b\r\n"), "bob@example.com") == (550, b"5.7.1 disallowed character")

    def test_null_sender(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """A bounce of another server for somebody here keeps the null sender, and is journaled."""
        gateway.send(message(), "bob@example.com", sender="", port=25)
        mailboxes.wait(2)
        assert sorted(one[:2] for one in mailboxes.taken) == [("", ["bob@example.com"]), (ALTERNATE, [JOURNAL])]

    @pytest.mark.parametrize("options", ["BODY=8BITMIME SMTPUTF8", "BODY=8BITMIME"])
    def test_addresses_that_are_not_ascii(self, gateway: Gateway, mailboxes: Mailboxes, options: str) -> None:
        """Such addresses are delivered to and reported, whether the client declares them or not."""
        gateway.send(message(to="bøb@example.com"), "bøb@example.com", sender="änn@example.com", options=options)
        mailboxes.wait(2)
        assert ("änn@example.com", ["bøb@example.com"]) in [one[:2] for one in mailboxes.taken]
        assert recipients(mailboxes.of(JOURNAL)[0]) == [("To", "bøb@example.com", None)]

    def test_odd_addresses(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """Quoted and odd addresses are delivered to as they are."""
        odd = ['"a b\\"c>"@example.com', "x+y=z@example.com", "BOB@Example.COM"]
        assert gateway.send(message(), *[f"<{one}>" for one in odd])[0] == 250
        mailboxes.wait(2)
        assert {one for taken in mailboxes.taken for one in taken.rcpt_tos} == {*odd, JOURNAL}
        assert {address for _, address, _ in recipients(mailboxes.of(JOURNAL)[0])} == set(odd)

    def test_an_address_that_no_report_can_name(self, gateway: Gateway) -> None:
        """The filter refuses a recipient that no report can name, and takes the others."""
        with smtplib.SMTP("127.0.0.1", gateway.postfix.ports[10026]) as client:
            client.ehlo()
            client.docmd("MAIL", "FROM:<ann@example.com>")
            paths = ["<one,two@example.com>", "<bob@example.com>", "<bob@example.com"]
            assert [client.docmd("RCPT", f"TO:{path}")[0] for path in paths] == [553, 250, 501]

    def test_stamp_stays_inside(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """With the setting that main.cf has for it the stamp does not go out, and everything else does."""
        name, setting = re.findall(
            r"^# (smtp_header_checks) = (.*)$", (EXAMPLE / "main.cf").read_text("utf-8"), re.MULTILINE
        )[0]
        gateway.postfix.set(f"{name}={setting}")
        gateway.postfix.call("postfix", "reload")
        gateway.send(message(), "bob@example.com")
        mailboxes.wait(2)
        gateway.postfix.set(f"{name}=")
        gateway.postfix.call("postfix", "reload")
        [arrived], [report] = mailboxes.of("bob@example.com"), mailboxes.of(JOURNAL)
        assert is_unchanged(arrived, message())
        assert b"X-ExJournal-Stamp" not in arrived
        assert verify_seal(report, secrets=[SECRET]) is Seal.VALID


class TestReports:
    """What the journal mailbox gets."""

    def test_roles(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """Bcc recipients are named as such, and members of a list in the role of the list, with its name."""
        data = message("Cc: staff@example.com")
        gateway.send(data, "bob@example.com", "staff@example.com", "carol@example.net")
        mailboxes.wait(2)
        assert recipients(mailboxes.of(JOURNAL)[0]) == [
            ("To", "bob@example.com", None),
            ("Cc", "bob@example.com", "staff@example.com"),
            ("Cc", "dave@example.com", "staff@example.com"),
            # A list in the list.
            ("Cc", "erin@example.com", "staff@example.com"),
            ("Bcc", "carol@example.net", None),
        ]

    def test_a_list_in_secret(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """The members of a list that stands in no header are Bcc recipients."""
        gateway.send(message(), "developers@example.com")
        mailboxes.wait(2)
        assert recipients(mailboxes.of(JOURNAL)[0]) == [("Bcc", "erin@example.com", "developers@example.com")]

    def test_strangers(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """At the door for strangers no role is believed, and the list is named all the same."""
        gateway.send(message(), "bob@example.com", "developers@example.com", port=25)
        mailboxes.wait(2)
        assert recipients(mailboxes.of(JOURNAL)[0]) == [
            ("Recipient", "bob@example.com", None),
            ("Recipient", "erin@example.com", "developers@example.com"),
        ]

    @pytest.mark.parametrize("port", [587, 25])
    def test_forged_list(self, gateway: Gateway, port: int) -> None:
        """No client can say by which list a recipient was reached."""
        answer = gateway.send(message(), "<bob@example.com> ORCPT=rfc822;staff@example.com", port=port)
        assert answer == (501, b"5.7.1 DSN support is disabled")

    def test_envelopes(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """A report goes to its journal mailbox and to nobody that its header names; a message to those it was given for."""
        gateway.send(message(), "twice@example.com", "copied@example.com", "carol@example.net")
        mailboxes.wait(4)
        assert sorted((one.mail_from, sorted(one.rcpt_tos)) for one in mailboxes.taken) == [
            ("ann@example.com", ["carol@example.net", "copied@example.com", "twice@example.com"]),
            *[(ALTERNATE, [one]) for one in (COPIES, JOURNAL, SECOND)],
        ]

    def test_many_recipients(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """Two hundred recipients are in one report, and each of them gets the message once."""
        users = {f"user{number}@example.com" for number in range(200)}
        gateway.send(message(), *users)
        mailboxes.wait(5)
        [report] = mailboxes.of(JOURNAL)
        assert {address for _, address, _ in recipients(report)} == users
        delivered = [one for taken in mailboxes.taken for one in taken.rcpt_tos if one in users]
        assert sorted(delivered) == sorted(users)

    def test_at_the_same_time(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """Of messages that pass at the same time each has its own report."""
        everyone = [f"user{number}@example.com" for number in range(20)]

        def send(one: str) -> int:
            return gateway.send(message(f"Message-ID: <{one}>", to=one), one)[0]

        with ThreadPoolExecutor(10) as clients:
            assert set(clients.map(send, everyone)) == {250}
        mailboxes.wait(40)
        reports = [parse_report(one) for one in mailboxes.of(JOURNAL)]
        assert {one.report.message_id: one.report.recipients[0].address for one in reports} == {
            f"<{one}>": one for one in everyone
        }
        for one in everyone:
            assert [is_unchanged(x, message(f"Message-ID: <{one}>", to=one)) for x in mailboxes.of(one)] == [True]


class TestOrder:
    """A message goes on after its reports, and what fails in between loses nothing."""

    def straight(self, gateway: Gateway) -> None:
        """Have reports go straight to the journal mailbox."""
        gateway.start_filter("--journal", f"127.0.0.1:{gateway.mailboxes.port}")

    def test_the_journal_server_is_away(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """Where reports go straight to an archive that takes none, the message waits, and arrives once the archive is back."""
        self.straight(gateway)
        mailboxes.answers[JOURNAL] = "450 4.2.1 not now"
        assert gateway.send(message(), "bob@example.com")[0] == 250
        assert eventually(gateway.waits)
        assert not gateway.flush()
        assert mailboxes.taken == []
        mailboxes.answers.clear()
        assert eventually(gateway.flush)
        assert [one.rcpt_tos for one in mailboxes.wait(2)] == [[JOURNAL], ["bob@example.com"]]

    def test_the_report_waits(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """Where reports go to Postfix, it has the report when the message goes on, and delivers it once the archive is back."""
        mailboxes.answers[JOURNAL] = "450 4.2.1 not now"
        gateway.send(message(), "bob@example.com")
        assert [one.rcpt_tos for one in mailboxes.wait(1)] == [["bob@example.com"]]
        assert eventually(gateway.waits)
        mailboxes.answers.clear()
        assert eventually(gateway.flush)
        [report] = mailboxes.of(JOURNAL)
        assert mailboxes.of("bob@example.com")[0].endswith(parse_report(report).original_bytes())

    def test_killed_in_between(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """A filter that dies between report and message leaves the message in the queue; the report comes again as it was."""
        self.straight(gateway)
        mailboxes.before = gateway.kill_filter
        gateway.send(message(), "bob@example.com")
        assert eventually(gateway.waits)
        assert [one.rcpt_tos for one in mailboxes.taken] == [[JOURNAL]]
        mailboxes.before = bool
        gateway.start_filter()
        assert eventually(gateway.flush)
        assert len(mailboxes.of("bob@example.com")) == 1
        first, again = (parse_report(one) for one in mailboxes.of(JOURNAL))
        assert first.report_id == again.report_id
        assert first.original_bytes() == again.original_bytes()

    def test_killed_while_mail_flows(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """However often the filter is killed, each message arrives, and has a report."""
        everyone = [f"user{number}@example.com" for number in range(40)]
        with ThreadPoolExecutor(4) as clients:
            sent = [clients.submit(gateway.send, message(f"Message-ID: <{x}>"), x) for x in everyone]
            for count in (3, 12, 24):
                mailboxes.wait(count)
                gateway.kill_filter()
                gateway.start_filter()
                gateway.flush()
            assert {one.result()[0] for one in sent} == {250}
        assert eventually(gateway.flush)
        assert all(mailboxes.of(one) for one in everyone)
        reports = [parse_report(one) for one in mailboxes.of(JOURNAL)]
        assert {one.report.message_id for one in reports} == {f"<{one}>" for one in everyone}
        assert len({one.report_id for one in reports}) == len(everyone)

    def test_no_filter(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """While no filter runs mail waits."""
        gateway.stop_filter()
        assert gateway.send(message(), "bob@example.com")[0] == 250
        assert eventually(gateway.waits)
        assert mailboxes.taken == []
        gateway.start_filter()
        assert eventually(gateway.flush)
        assert len(mailboxes.wait(2)) == 2


class TestBounces:
    """What becomes of a report that its journal mailbox refuses."""

    full = "552 5.2.2 mailbox full"

    def bounce(self, mailboxes: Mailboxes, mailbox: str = ALTERNATE) -> bytes:
        """The bounce that came."""
        assert eventually(lambda: bool(mailboxes.of(mailbox)))
        [bounce] = mailboxes.of(mailbox)
        return bounce

    @pytest.mark.parametrize("data", [message(), BIG], ids=["small", "1 MB"])
    def test_rescued(self, gateway: Gateway, mailboxes: Mailboxes, tmp_path: Path, data: bytes) -> None:
        """The bounce has the whole report: the bytes that another journal mailbox took, and Postfix' trace fields."""
        mailboxes.answers[SECOND] = self.full
        gateway.send(data, "twice@example.com", "carol@example.net")
        bounce = self.bounce(mailboxes)
        (tmp_path / "bounce.eml").write_bytes(bounce)
        command = [sys.executable, "-m", "exjournal", "unwrap", "--undeliverable", "bounce.eml", "--out", "rescued"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.split() == f"1 {SECOND} failed 5.2.2 {self.full}".split()
        [rescued] = [one.read_bytes() for one in (tmp_path / "rescued").iterdir()]
        mailboxes.wait(3)
        [delivered] = mailboxes.of(JOURNAL)
        assert TRACE.sub(b"", rescued, count=1) == TRACE.sub(b"", delivered, count=1)
        assert verify_seal(rescued, secrets=[SECRET]) is Seal.VALID
        assert is_unchanged(parse_report(rescued).original_bytes(), data)
        assert parse_report(rescued).defects == ()

    def test_not_journaled(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """The bounce of a report makes no report."""
        mailboxes.answers[SECOND] = self.full
        gateway.send(message(), "twice@example.com")
        self.bounce(mailboxes)
        assert eventually(lambda: not gateway.queue())
        assert len(mailboxes.taken) == 3

    def test_addresses_that_are_not_ascii(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """A bounce in the form for such addresses is rescued as well."""
        mailboxes.answers[JOURNAL] = self.full
        data = message(to="bøb@example.com")
        gateway.send(data, "bøb@example.com", options="BODY=8BITMIME SMTPUTF8")
        bounce = self.bounce(mailboxes)
        assert b"message/global" in bounce
        rescued = unwrap_undeliverable(bounce).parsed
        assert rescued.report.recipients[0].address == "bøb@example.com"
        assert is_unchanged(rescued.original_bytes(), data)

    def test_bounce_of_the_bounce(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """Where the alternate mailbox refuses too, the postmaster has it all."""
        mailboxes.answers |= dict.fromkeys((JOURNAL, ALTERNATE), self.full)
        gateway.send(BIG, "bob@example.com")
        found = unwrap_undeliverable(self.bounce(mailboxes, POSTMASTER))
        assert [one.recipient for one in found.status] == [JOURNAL, ALTERNATE]
        assert found.report is not None
        assert verify_seal(found.report, secrets=[SECRET]) is Seal.VALID
        assert is_unchanged(found.parsed.original_bytes(), BIG)

    def test_copy_arrives(self, gateway: Gateway, mailboxes: Mailboxes) -> None:
        """A copy in the BCC format arrives with its Bcc field; the message does not get one."""
        gateway.send(message(), "copied@example.com", "carol@example.net")
        mailboxes.wait(3)
        copy = parse_report(mailboxes.of(COPIES)[0], format=ReportFormat.BCC)
        assert {one.address for one in copy.report.recipients} >= {"copied@example.com", "carol@example.net"}
        assert is_unchanged(mailboxes.of("carol@example.net")[0], message())

    @pytest.mark.parametrize("data", [message(), BIG], ids=["small", "1 MB"])
    def test_copy_refused(self, gateway: Gateway, mailboxes: Mailboxes, data: bytes, tmp_path: Path) -> None:
        """The bounce of a copy has it whole with its Bcc field; nothing marks it, so the command is told what it is."""
        mailboxes.answers[COPIES] = self.full
        gateway.send(data, "copied@example.com", "carol@example.net")
        bounce = self.bounce(mailboxes)
        with pytest.raises(ParseError, match="no-report-inside"):
            unwrap_undeliverable(bounce)
        (tmp_path / "bounce.eml").write_bytes(bounce)
        command = [sys.executable, "-m", "exjournal", "unwrap", "--undeliverable", "--format", "bcc"]
        subprocess.run([*command, tmp_path / "bounce.eml", "--out", tmp_path / "rescued"], check=True)
        [rescued] = (tmp_path / "rescued").iterdir()
        copy = rescued.read_bytes()
        parsed: ParsedReport = parse_report(copy, format=ReportFormat.BCC)
        assert {one.address for one in parsed.report.recipients} >= {"copied@example.com", "carol@example.net"}
        assert copy.endswith(data)


class TestCommands:
    """The files as commands."""

    def run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a program of Python."""
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_run(self) -> None:
        """One command starts all of it, shows a message and its report, and leaves nothing running."""
        command = [sys.executable, str(EXAMPLE / "run.py")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Bcc carol@example.net" in done.stdout
        assert "To  erin@example.com through staff@example.com" in done.stdout
        assert "the original as Ann sent it: True" in done.stdout

    def test_without_aiosmtpd(self) -> None:
        """Without aiosmtpd it says what to install."""
        program = f"import runpy, sys; sys.modules['aiosmtpd'] = None; runpy.run_path({str(EXAMPLE / 'run.py')!r})"
        done = self.run(program)
        assert (done.returncode, done.stderr) == (1, "aiosmtpd is missing: pip install aiosmtpd\n")

    def test_without_postfix(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without Postfix it says what to install."""
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
        with pytest.raises(SystemExit, match="postfix is missing"):
            RUN["Postfix"](tmp_path, 1)

    def test_needs_an_agent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Started with a file that has no table for it, the filter says so."""
        (tmp_path / "rules.toml").write_text('[organization]\ndomains = ["example.com"]\n', encoding="utf-8")
        monkeypatch.setattr(sys, "argv", ["filter.py", str(tmp_path / "rules.toml")])
        main: Any = runpy.run_path(str(EXAMPLE / "filter.py"))["main"]
        with pytest.raises(SystemExit, match="no \\[agent\\]"):
            main()
