"""Try Postfix with exjournal as its filter: `python examples/postfix/run.py`, as root, with postfix and aiosmtpd installed.

Starts a Postfix of its own with the files beside this one, on free ports of 127.0.0.1 and in a temporary folder, and the
filter; sends a message to Bob, to a list and to somebody in secret; prints what arrived where; and stops all of it.
Another Postfix on the machine, and its configuration, are left alone.
"""

import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Event
from typing import Self

try:
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import SMTP, Envelope, Session
except ModuleNotFoundError:
    raise SystemExit("aiosmtpd is missing: pip install aiosmtpd") from None

from exjournal import ParseError, parse_report

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
MESSAGE = b"""\
From: Ann <ann@example.com>
To: Bob <bob@example.com>, staff@example.com
Subject: Quarterly figures
Message-ID: <figures@example.com>
Date: Thu, 1 Oct 2026 09:00:00 +0200

The figures are final.
""".replace(b"\n", b"\r\n")
RECIPIENTS = ["bob@example.com", "staff@example.com", "carol@example.net"]


def free_ports(count: int) -> list[int]:
    """Find free ports."""
    servers = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


class Postfix:
    """A Postfix in a folder, made of the files next to this one, with other ports, and settings for a machine without network.

    `ports` has the port in place of each one of the files. All mail leaves to the port `mailboxes`.
    """

    def __init__(self, folder: Path, mailboxes: int, *settings: str) -> None:
        # On Debian it is not on a user's PATH.
        program = shutil.which("postfix", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            raise SystemExit(
                "postfix is missing: on Debian and Ubuntu, apt-get install --no-install-recommends postfix"
            )
        if os.geteuid() != 0:
            raise SystemExit("only root can start Postfix")
        self.programs = Path(program).parent
        numbers = (25, 587, 10025, 10026, 10027)
        self.ports = dict(zip(numbers, free_ports(len(numbers)), strict=True))
        self.configuration, queue, data = (folder / name for name in ("configuration", "queue", "data"))
        for one in (self.configuration, queue, data):
            one.mkdir()
        # The processes of Postfix run as a user of their own.
        folder.chmod(0o755)
        shutil.chown(data, "postfix")
        for name in ("main.cf", "master.cf", "virtual"):
            text = (HERE / name).read_text(encoding="utf-8")
            text = re.sub(r"\b(25|587|1002[567])\b", lambda found: str(self.ports[int(found[1])]), text)
            # There are no logins here, so every client on this machine counts as authenticated.
            text = text.replace("smtpd_sasl_auth_enable=yes", "smtpd_relay_restrictions=permit_mynetworks,reject")
            text = text.replace("permit_sasl_authenticated,reject", "permit_mynetworks,reject")
            (self.configuration / name).write_text(text, encoding="utf-8")
        self.log = folder / "log"
        self.set(
            f"queue_directory={queue}",
            f"data_directory={data}",
            f"maillog_file={self.log}",
            f"maillog_file_prefixes={folder}",
            f"inet_interfaces={LOOPBACK}",
            "inet_protocols=ipv4",
            "disable_dns_lookups=yes",
            "alias_maps=",
            f"transport_maps=static:smtp:[{LOOPBACK}]:{mailboxes}",
            *settings,
        )

    def set(self, *settings: str) -> None:
        """Write settings, `name=value`, into main.cf."""
        self.call("postconf", "-e", *settings)

    def call(self, name: str, *arguments: str) -> str:
        """Call a command of Postfix, and return what it prints."""
        command = [str(self.programs / name), "-c", str(self.configuration), *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603

    def __enter__(self) -> Self:
        try:
            self.call("postfix", "start")
        except subprocess.CalledProcessError:
            raise SystemExit(self.log.read_text(encoding="utf-8")) from None
        return self

    def __exit__(self, *_: object) -> None:
        self.call("postfix", "stop")


class Filter:
    """The filter as a separate process, between the ports of a Postfix."""

    def __init__(self, postfix: Postfix, rules: Path, *options: str) -> None:
        clients, others, back = (postfix.ports[number] for number in (10025, 10026, 10027))
        self.ports = clients, others
        self.command = [sys.executable, str(HERE / "filter.py"), str(rules)]
        self.command += ["--clients", f"{LOOPBACK}:{clients}", "--others", f"{LOOPBACK}:{others}"]
        self.command += ["--postfix", f"{LOOPBACK}:{back}", *options]

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(self.command)  # noqa: S603
        while not all(map(answers, self.ports)):
            if self.process.poll() is not None:
                raise SystemExit("the filter did not start")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def answers(port: int) -> bool:
    """Whether a mail server answers on a port."""
    try:
        with smtplib.SMTP(LOOPBACK, port):
            return True
    except OSError:
        return False


class Mailboxes(Controller):
    """Everybody's mailbox: prints each message."""

    def __init__(self, expected: int) -> None:
        super().__init__(self, hostname=LOOPBACK, port=free_ports(1)[0])
        self.expected = expected
        self.complete = Event()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a message."""
        content = envelope.original_content or b""
        print(f"\nto {', '.join(envelope.rcpt_tos)}, from {envelope.mail_from}:")
        try:
            parsed = parse_report(content)
        except ParseError:
            print(content.decode())
        else:
            print(f"  a report: {parsed.report.sender} wrote {parsed.report.subject!r} to")
            for one in parsed.report.recipients:
                print(f"  {one.role:3} {one.address}{f' through {one.expanded_from}' if one.expanded_from else ''}")
            print(f"  the original as Ann sent it: {parsed.original_bytes().endswith(MESSAGE)}")
        self.expected -= 1
        if self.expected == 0:
            self.complete.set()
        return "250 2.0.0 OK"


def main() -> None:
    """Send one message through it."""
    # A signal to this process ends Postfix as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(HERE / "journal.toml", folder)
        (folder / "journal.key").write_text("a secret of the organization\n", encoding="utf-8")
        mailboxes = Mailboxes(expected=2)
        mailboxes.start()
        try:
            with Postfix(folder, mailboxes.port) as postfix, Filter(postfix, folder / "journal.toml"):
                with smtplib.SMTP(LOOPBACK, postfix.ports[587]) as client:
                    client.sendmail("ann@example.com", RECIPIENTS, MESSAGE)
                if not mailboxes.complete.wait(60):
                    raise SystemExit(postfix.log.read_text(encoding="utf-8"))
        finally:
            mailboxes.stop()


if __name__ == "__main__":
    main()
