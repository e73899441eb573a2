"""The example of an archive endpoint: it keeps all that it acknowledged, however it is killed, and defers the rest."""

import errno
import hashlib
import json
import os
import re
import resource
import runpy
import shutil
import signal
import smtplib
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from exjournal import (
    JournalReport,
    MemoryStore,
    Sighting,
    SqliteStore,
    StoreError,
    build_report,
    identify,
    look_up,
    parse_report,
    remember_all,
)

PATH = Path(__file__).parent.parent / "examples" / "endpoint.py"
EXAMPLE = runpy.run_path(str(PATH))
RECIPIENTS, ANSWERS, PEERS = EXAMPLE["RECIPIENTS"], EXAMPLE["ANSWERS"], EXAMPLE["PEER_CONNECTIONS"]
DATE = datetime(2026, 10, 1, tzinfo=UTC)
SENDER, MAILBOX = "journal-ndr@example.com", "journal@archive.example"
# The most seconds to wait for anything.
PLENTY = 20
MAKE_CERTIFICATE = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=archive.example -addext subjectAltName=IP:127.0.0.1"
)


def message(number: int, body: bytes = b"Hello.\r\n") -> bytes:
    """A message."""
    return b"From: ann@example.com\r\nSubject: %d\r\nMessage-ID: <%d@mail.example.com>\r\n\r\n%b" % (
        number,
        number,
        body,
    )


def report(number: int, body: bytes = b"Hello.\r\n", *recipients: str) -> bytes:
    """A report of a message, the same each time."""
    report = JournalReport(
        sender="ann@example.com",
        recipients=recipients or ("bob@example.com",),
        subject=str(number),
        message_id=f"<{number}@mail.example.com>",
    )
    return build_report(report, message(number, body), domain="example.com", date=DATE)


def sha256(data: bytes) -> str:
    """The name of a report in the archive."""
    return hashlib.sha256(data).hexdigest()


def on_the_wire(data: bytes) -> bytes:
    """A message as it crosses the wire in DATA, its end included; smtplib would write bare line feeds anew."""
    return (b"\r\n" + data).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


class Endpoint:
    """The example in a process of its own."""

    def __init__(self, folder: Path, *options: str, file_limit: int | None = None) -> None:
        self.folder = folder
        self.log = folder.parent / f"{folder.name}.log"

        def limit() -> None:
            if file_limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        command = [sys.executable, str(PATH), str(folder), "--host", "127.0.0.1", "--port", "0", *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*command, "--name", "archive.example"], stderr=log, preexec_fn=limit)  # noqa: PLW1509
        self.wait_for(lambda: "listening on" in self.printed())
        self.address = ("127.0.0.1", int(re.findall(r"listening on \S+ port (\d+)", self.printed())[0]))

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Wait until something is so, which the process must live to see."""
        until = time.monotonic() + PLENTY
        while not happened():
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < until, self.printed()
            time.sleep(0.005)

    def printed(self) -> str:
        """What it has logged."""
        return self.log.read_text(encoding="utf-8")

    def kill(self) -> None:
        """End it on the spot."""
        self.process.kill()
        self.process.wait()

    def connect(self) -> smtplib.SMTP:
        """A client that has sent its greeting."""
        client = smtplib.SMTP(*self.address, timeout=PLENTY)
        client.command_encoding = "utf-8"
        client.ehlo("hub.example.com")
        return client

    def send(self, *messages: bytes, mail_from: str = SENDER) -> list[tuple[int, bytes]]:
        """The answers to messages that are sent in one session, byte for byte."""
        with self.connect() as client:
            return [deliver(client, data, mail_from) for data in messages]

    @property
    def reports(self) -> dict[str, bytes]:
        """The archived reports, by the digest in their names."""
        return {path.name.split(".")[1]: path.read_bytes() for path in self.folder.glob("reports/*/*")}

    @property
    def quarantine(self) -> dict[str, bytes]:
        """The messages that are not reports, by the names of their files."""
        return {path.name: path.read_bytes() for path in self.folder.glob("quarantine/*")}

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        """The record of each delivery, in the order of arrival."""
        files = sorted(self.folder.glob("deliveries/*/*.jsonl"))
        return [json.loads(line) for path in files for line in path.read_text(encoding="ascii").splitlines()]


def deliver(client: smtplib.SMTP, data: bytes, mail_from: str = SENDER, rcpt_to: str = MAILBOX) -> tuple[int, bytes]:
    """The answer to a message, or to the command before it that was refused."""
    for command in (f"MAIL FROM:<{mail_from}> BODY=8BITMIME", f"RCPT TO:<{rcpt_to}>", "DATA"):
        code, text = client.docmd(command)
        if code >= 400:
            return code, text
    client.send(on_the_wire(data))
    return client.getreply()


def read_all(connection: socket.socket) -> bytes:
    """All that a server says before it ends the connection."""
    return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Endpoint]]:
    """Starts the example on one folder; processes that still run at the end are killed."""
    started = []

    def start_one(*options: str, file_limit: int | None = None, peer: str = "127.0.0.0/8") -> Endpoint:
        started.append(Endpoint(tmp_path / "archive", "--peer", peer, *options, file_limit=file_limit))
        return started[-1]

    yield start_one
    for one in started:
        one.kill()


@pytest.fixture
def endpoint(start: Callable[..., Endpoint]) -> Endpoint:
    """The example, with nothing in its folder."""
    return start()


class TestAccepted:
    """An accepted message is kept as it came."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "body",
        [
            b".\r\n..\r\n.a\r\n...\r\n",
            b"a\n.\nb\n.\r\nc\r\r\nd\re\r\n",
            b"x" * 3_000_000 + b"\r\n" + b"." * 70_000 + b"\r\n.\r" + b"\r\n",
            "Grüße \x80".encode() + bytes(range(128, 256)) + b"\0\r\n",
            b"Ends with a dot.\r\n" * 20_000,
            b"\r\n\r\n",
        ],
        ids=["dots", "bare-line-ends", "long-lines", "eight-bit", "ends-with-dots", "blank"],
    )
    def test_every_byte(self, endpoint: Endpoint, body: bytes) -> None:
        """Dots, bare line feeds, lines of megabytes and bytes above 127 are in the file as they were sent."""
        data = report(1, body)
        [(code, text)] = endpoint.send(data)
        assert (code, text) == (250, f"2.0.0 archived: first {sha256(data)}".encode())
        assert endpoint.reports == {sha256(data): data}
        assert parse_report(data).original_bytes() == message(1, body)

    @pytest.mark.slow
    def test_session(self, endpoint: Endpoint) -> None:
        """Several messages in one session are several files, those of one message side by side."""
        first, other, second = report(1), report(1, b"Hello.\r\n", "carol@example.net"), report(2)
        assert [text.split()[2] for _, text in endpoint.send(first, other, second)] == [b"first", b"sibling", b"first"]
        assert endpoint.reports == {sha256(one): one for one in (first, other, second)}
        contents = [path.name.split(".")[0] for path in endpoint.folder.glob("reports/*/*")]
        assert sorted(contents.count(one) for one in set(contents)) == [1, 2]

    @pytest.mark.slow
    def test_pipelined(self, endpoint: Endpoint) -> None:
        """Commands that come before the answer to the last message are not lost."""
        commands = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{MAILBOX}>\r\nDATA\r\n".encode()
        data = [report(number) for number in range(5)]
        with socket.create_connection(endpoint.address, PLENTY) as client:
            client.sendall(
                b"EHLO hub.example.com\r\n" + b"".join([commands + on_the_wire(one) for one in data]) + b"QUIT\r\n"
            )
            answers = read_all(client)
        assert answers.count(b"250 2.0.0 archived: first") == 5
        assert endpoint.reports == {sha256(one): one for one in data}

    @pytest.mark.slow
    def test_duplicates(self, endpoint: Endpoint) -> None:
        """A report that comes again is accepted, kept once, and recorded."""
        data = report(1)
        assert [text.split()[2] for _, text in endpoint.send(data, data, data)] == [
            b"first",
            b"duplicate",
            b"duplicate",
        ]
        assert endpoint.reports == {sha256(data): data}
        assert [one["sighting"] for one in endpoint.deliveries] == ["first", "duplicate", "duplicate"]

    @pytest.mark.slow
    def test_same_time(self, endpoint: Endpoint) -> None:
        """Of a report that comes over many connections at the same time one file is kept."""
        data = report(1, b"Hello.\r\n" * 10_000)
        answers: list[tuple[int, bytes]] = []
        clients = [Thread(target=lambda: answers.extend(endpoint.send(data))) for _ in range(12)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert [code for code, _ in answers] == [250] * 12
        assert [text.split()[2] for _, text in answers].count(b"first") == 1
        assert endpoint.reports == {sha256(data): data}
        assert len(endpoint.deliveries) == 12

    @pytest.mark.slow
    def test_conflict(self, endpoint: Endpoint) -> None:
        """Another message under a known Message-ID is kept as well, and warned of."""
        data = [report(1), report(1, b"Something else.\r\n")]
        assert [text.split()[2] for _, text in endpoint.send(*data)] == [b"first", b"conflict"]
        assert len(endpoint.reports) == 2
        assert re.search(rf"WARNING conflict {sha256(data[1])}", endpoint.printed())

    @pytest.mark.slow
    def test_envelope(self, endpoint: Endpoint) -> None:
        """MAIL FROM, RCPT TO, the peer and the time of a delivery are recorded, with the null sender and long addresses."""
        before = datetime.now(UTC)
        long = "x" * 559 + "@example.com"
        with endpoint.connect() as client:
            deliver(client, report(1), "")
            deliver(client, report(2), "müller@example.com", long)
        first, second = endpoint.deliveries
        assert (first["mail_from"], first["rcpt_to"], first["peer"], first["tls"]) == (
            "",
            [MAILBOX],
            "127.0.0.1",
            False,
        )
        assert before <= datetime.fromisoformat(first["received"]) <= datetime.now(UTC)
        assert (endpoint.folder / first["file"]).read_bytes() == report(1)
        assert (first["sha256"], first["size"], first["code"]) == (sha256(report(1)), len(report(1)), None)
        assert second["rcpt_to"] == [long]

    @pytest.mark.slow
    def test_no_text_in_the_log(self, endpoint: Endpoint) -> None:
        """The log has one line for a message, and nothing of what it says and of whom it names."""
        endpoint.send(report(1), b"Subject: secret\r\n\r\nsecret\r\n")
        _, *lines = endpoint.printed().splitlines()
        assert len(lines) == 2
        assert not re.search("example|secret|ann", "".join(lines))

    @pytest.mark.slow
    def test_500_reports(self, endpoint: Endpoint) -> None:
        """Nothing is lost of five hundred reports over ten connections."""
        data = [report(number, b"A line of some length.\r\n" * 800) for number in range(500)]
        answers: list[tuple[int, bytes]] = []
        clients = [Thread(target=lambda share=data[n::10]: answers.extend(endpoint.send(*share))) for n in range(10)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert [code for code, _ in answers] == [250] * 500
        assert endpoint.reports == {sha256(one): one for one in data}
        assert {one["sha256"] for one in endpoint.deliveries} == set(endpoint.reports)


class TestQuarantine:
    """A message that is not a report is accepted, and kept aside with its code."""

    @pytest.mark.slow
    def test_garbage(self, endpoint: Endpoint) -> None:
        """Ordinary mail, random bytes and an empty message are kept as they came, with the code in their name."""
        garbage = [message(1), b"\xff\x00\r\n.\r\n" * 100, b""]
        for data, (code, text) in zip(garbage, endpoint.send(*garbage), strict=True):
            assert code == 250
            name = f"{sha256(data)}.{text.split()[2].decode()}.eml"
            assert text.startswith(b"2.0.0 quarantined: ")
            assert endpoint.quarantine[name] == data
        assert endpoint.reports == {}
        assert [one["sighting"] for one in endpoint.deliveries] == [None] * 3
        assert [f"{one['sha256']}.{one['code']}.eml" for one in endpoint.deliveries] == [
            Path(one["file"]).name for one in endpoint.deliveries
        ]

    @pytest.mark.slow
    def test_again(self, endpoint: Endpoint) -> None:
        """Garbage that comes again is one file."""
        endpoint.send(b"garbage\r\n", b"garbage\r\n")
        assert len(endpoint.quarantine) == 1


class TestRefused:
    """A refused message leaves no trace, and stays with its client."""

    @pytest.mark.slow
    def test_strangers(self, start: Callable[..., Endpoint]) -> None:
        """A client that is not listed reads 554 and is disconnected."""
        endpoint = start(peer="192.0.2.0/24")
        with socket.create_connection(endpoint.address, PLENTY) as client:
            assert read_all(client) == b"554 5.7.1 not for you\r\n"
        assert "127.0.0.1 is not listed" in endpoint.printed()

    @pytest.mark.slow
    def test_second_network(self, start: Callable[..., Endpoint]) -> None:
        """Several networks may be listed."""
        endpoint = start("--peer", "127.0.0.1", peer="2001:db8::/32")
        assert endpoint.send(report(1))[0][0] == 250

    @pytest.mark.slow
    def test_too_large(self, start: Callable[..., Endpoint]) -> None:
        """A message above the limit is refused with 552, whether it says its size or not, and the session goes on."""
        limit = len(report(1)) + 100
        endpoint = start("--largest", str(limit))
        with endpoint.connect() as client:
            assert client.esmtp_features["size"] == str(limit)
            assert client.docmd(f"MAIL FROM:<{SENDER}> SIZE={limit + 1}")[0] == 552
            for body in (b"Hello.\r\n" * 15, b"x" * 1_000_000 + b"\r\n", b"Hello.\r\n.\r\n" * 100_000):
                assert deliver(client, report(1, body)) == (552, b"5.3.4 too large")
            assert deliver(client, report(1))[0] == 250
        assert len(endpoint.reports) == 1

    @pytest.mark.slow
    def test_exactly_the_limit(self, start: Callable[..., Endpoint]) -> None:
        """A message of the announced size is accepted, and one with one byte more is not."""
        endpoint = start("--largest", str(len(report(1))))
        assert [code for code, _ in endpoint.send(report(1), report(1, b"Hello!!\r\n"))] == [250, 552]

    @pytest.mark.slow
    def test_gone_in_the_middle(self, endpoint: Endpoint) -> None:
        """A client that goes in the middle of a message leaves no trace."""
        for end in (b"", b".", b".\r"):
            with endpoint.connect() as client:
                for command in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{MAILBOX}>", "DATA"):
                    client.docmd(command)
                client.send(report(1) + end)
                assert client.sock is not None
                client.sock.close()
                client.close()
        assert endpoint.send(report(2))[0][0] == 250
        assert set(endpoint.reports) == {sha256(report(2))}
        assert endpoint.quarantine == {}
        assert list((endpoint.folder / "incoming").iterdir()) == []

    @pytest.mark.slow
    def test_commands(self, endpoint: Endpoint) -> None:
        """No AUTH is offered, commands in the wrong order are refused, and so are odd ones, without a trace in the log."""
        with endpoint.connect() as client:
            assert {"size", "8bitmime", "smtputf8"} <= set(client.esmtp_features)
            assert not {"auth", "starttls"} & set(client.esmtp_features)
            assert client.docmd("DATA")[0] == 503
            for odd in (
                "<",
                "<((((",
                "<(" * 500,
                "((((",
                "<@",
                '<"a',
                '<"' + '\\"' * 900,
                "<a@b",
                "<a b@c>",
                "<a\tb>",
                ":;",
                "<:>>",
            ):
                assert client.docmd(f"MAIL FROM:{odd}")[0] in {501, 553, 555}, odd
            client.send(b"MAIL FROM:<\xff@example.com>\r\n")
            assert client.getreply()[0] == 553
            assert client.docmd("NOOP " + "x" * 400_000)[0] == 500
            client.send(b"VRFY \xff\r\n")  # a byte that the answer would repeat, and cannot
            assert client.getreply()[0] in {252, 502}
            assert client.docmd("HELP")[0] == 250
            assert deliver(client, report(1))[0] == 250
        assert endpoint.process.poll() is None
        assert "Traceback" not in endpoint.printed()
        assert "bug" not in endpoint.printed()


class TestLimits:
    """One client cannot make the server hold or do without end."""

    @pytest.mark.slow
    def test_recipients(self, endpoint: Endpoint) -> None:
        """Recipients beyond the limit are refused for now, those before it get the message; the next one has its own."""
        with endpoint.connect() as client:
            for number in (1, 2):
                client.docmd(f"MAIL FROM:<{SENDER}>")
                answers = [client.docmd(f"RCPT TO:<journal{one}@archive.example>") for one in range(RECIPIENTS + 5)]
                assert [code for code, _ in answers] == [250] * RECIPIENTS + [452] * 5
                assert answers[-1][1].startswith(b"4.5.3 ")
                client.docmd("DATA")
                client.send(on_the_wire(report(number)))
                assert client.getreply()[0] == 250
        assert [len(one["rcpt_to"]) for one in endpoint.deliveries] == [RECIPIENTS] * 2
        assert RECIPIENTS >= 100

    @pytest.mark.slow
    def test_the_null_sender_is_not_a_recipient(self, endpoint: Endpoint) -> None:
        """A recipient has an address."""
        with endpoint.connect() as client:
            client.docmd("MAIL FROM:<>")
            assert client.docmd("RCPT TO:<>")[0] == 553

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "command", ["RCPT TO:<a@example.com>", "NOOP", "RSET", "MAIL FROM:<((", "EHLO a", "x" * 5000]
    )
    def test_commands_without_end(self, endpoint: Endpoint, command: str) -> None:
        """A client that sends commands and no message is let go after a number of them."""
        with endpoint.connect() as client:
            client.docmd(f"MAIL FROM:<{SENDER}>")
            connection = client.sock
            assert connection is not None
            with suppress(OSError):  # the server may be gone while this is sent, and its last words with it
                connection.sendall((command + "\r\n").encode() * 3000)
                lines = read_all(connection).splitlines()
                assert lines[-1] == b"421 4.7.0 too many commands"
                assert len(lines) < 10 * ANSWERS
            client.close()
        assert endpoint.send(report(1))[0][0] == 250
        assert "Traceback" not in endpoint.printed()

    @pytest.mark.slow
    def test_a_command_without_end(self, endpoint: Endpoint) -> None:
        """A long command is refused, and costs no more memory than others."""
        with endpoint.connect() as client:
            assert client.docmd("NOOP " + "x" * 30_000_000)[0] == 500
            assert deliver(client, report(1))[0] == 250
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{endpoint.process.pid}/status").read_text(encoding="ascii"))
        assert peak is not None
        assert int(peak[1]) < 100_000

    @pytest.mark.slow
    def test_connections(self, endpoint: Endpoint) -> None:
        """One address has a number of connections at a time, and gets another one as soon as one of them ends."""
        with ExitStack() as clients:
            sockets = [clients.enter_context(socket.create_connection(endpoint.address, PLENTY)) for _ in range(PEERS)]
            assert all(one.recv(3) == b"220" for one in sockets)
            with socket.create_connection(endpoint.address, PLENTY) as client:
                assert read_all(client) == b"421 4.7.0 too many connections\r\n"
            sockets[0].sendall(b"QUIT\r\n")
            read_all(sockets[0])
            with socket.create_connection(endpoint.address, PLENTY) as client:
                assert client.recv(3) == b"220"

    @pytest.mark.slow
    def test_messages_in_memory(self, start: Callable[..., Endpoint]) -> None:
        """Messages that many connections begin together take no more memory than a few of the largest; others come again."""
        endpoint = start("--largest", "300000")
        large = report(1, b"x" * 298_000 + b"\r\n")
        with ExitStack() as clients:
            begun = []
            for _ in range(7):
                client = clients.enter_context(endpoint.connect())
                for command in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{MAILBOX}>", "DATA"):
                    client.docmd(command)
                client.send(on_the_wire(large)[:-3])
                begun.append(client)
            with endpoint.connect() as client:
                # What the others sent is read before this is answered.
                endpoint.wait_for(lambda: deliver(client, large)[0] == 452)
            for client in begun[1:]:
                assert client.sock is not None
                client.sock.close()
                client.close()
            begun[0].send(b".\r\n")
            assert begun[0].getreply()[0] == 250
        assert endpoint.send(large)[0] == (250, endpoint.send(large)[0][1])
        assert len(endpoint.reports) == 1


class TestStorageFails:
    """What cannot be kept is deferred, and accepted later."""

    @pytest.mark.slow
    def test_file_too_large(self, start: Callable[..., Endpoint]) -> None:
        """A report that the disk does not take is deferred and leaves nothing there, and a small one beside it is kept."""
        small, large = report(1), report(2, b"A line.\r\n" * 100_000)
        endpoint = start(file_limit=500_000)
        assert [code for code, _ in endpoint.send(large, small, large)] == [451, 250, 451]
        assert list((endpoint.folder / "incoming").iterdir()) == []
        endpoint.kill()
        endpoint = start()
        assert [text.split()[2] for _, text in endpoint.send(small, large)] == [b"duplicate", b"first"]
        assert endpoint.reports == {sha256(one): one for one in (small, large)}

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["reports", "deliveries", "incoming", "quarantine"])
    def test_folder_is_gone(self, endpoint: Endpoint, name: str) -> None:
        """If the path of a folder is not a folder, the message is deferred, and accepted after a repair, without a restart."""
        data = b"garbage\r\n" if name == "quarantine" else report(2)
        endpoint.send(report(1), b"rubbish\r\n")
        shutil.move(endpoint.folder / name, endpoint.folder / "elsewhere")
        (endpoint.folder / name).touch()
        assert endpoint.send(data) == [(451, b"4.3.0 not kept, try again")]
        (endpoint.folder / name).unlink()
        shutil.move(endpoint.folder / "elsewhere", endpoint.folder / name)
        [(code, text)] = endpoint.send(data)
        assert code == 250
        assert sha256(data).encode() in text
        assert b"duplicate" not in text
        assert data in {**endpoint.reports, **endpoint.quarantine}.values()

    def test_store_is_busy(self, tmp_path: Path) -> None:
        """While another process holds the store the report is deferred, and accepted after it."""
        with SqliteStore(tmp_path / "seen.db", timeout=0.05) as store:
            archive, one = EXAMPLE["Archive"](tmp_path, store), delivery(report(1))
            with closing(sqlite3.connect(tmp_path / "seen.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                assert archive.take([one]) == ["451 4.3.0 not kept, try again"]
            assert archive.take([one]) == [f"250 2.0.0 archived: first {one.sha256}"]

    @pytest.mark.parametrize(
        ("problem", "answer"),
        [
            (OSError(errno.ENOSPC, "full"), "452 4.3.1 no room, try again"),
            (OSError(errno.EROFS, "read-only"), "451 4.3.0 not kept, try again"),
            (RuntimeError("a bug"), "451 4.3.0 not kept, try again"),
        ],
        ids=["full", "read-only", "bug"],
    )
    def test_one_of_several(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception, answer: str
    ) -> None:
        """A failure of one report does not affect those that are written with it."""
        archive, bad = EXAMPLE["Archive"](tmp_path, MemoryStore()), delivery(report(2))
        put = archive.put

        def fail(name: str, data: bytes) -> None:
            if data == bad.data:
                raise problem
            put(name, data)

        monkeypatch.setattr(archive, "put", fail)
        good = [delivery(report(1)), delivery(report(3))]
        first, second, third = archive.take([good[0], bad, good[1]])
        assert (first[:3], second, third[:3]) == ("250", answer, "250")
        monkeypatch.undo()
        assert archive.take([bad]) == [f"250 2.0.0 archived: first {bad.sha256}"]

    def test_store_fails(self, tmp_path: Path) -> None:
        """Where nothing can be remembered every report is deferred, and each is a first one when it comes again."""

        class Broken(MemoryStore):
            """A store on a broken disk."""

            def add(self, groups: Sequence[Sequence[bytes]], /) -> tuple[tuple[bool, ...], ...]:
                """Fail."""
                raise StoreError(f"{len(groups)} groups")

        both = [delivery(report(1)), delivery(report(2))]
        assert EXAMPLE["Archive"](tmp_path, Broken()).take(both) == ["451 4.3.0 not kept, try again"] * 2
        answers = EXAMPLE["Archive"](tmp_path, MemoryStore()).take(both)
        assert [one.split()[3] for one in answers] == ["first", "first"]
        assert len(list(tmp_path.glob("reports/*/*"))) == 2


def delivery(data: bytes) -> Any:
    """A message as the example hands it to its archive."""
    return EXAMPLE["Delivery"](data, sha256(data), datetime.now(UTC), "192.0.2.1", False, SENDER, [MAILBOX])


class TestDurable:
    """A message that was answered 250 outlives the server, however it ends."""

    def test_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Before a report is remembered, its file, its record, and all their folders are made durable."""
        synced: set[int] = set()
        sync = os.fsync

        def watch(descriptor: int) -> None:
            sync(descriptor)
            synced.add(os.fstat(descriptor).st_ino)

        class Watching(MemoryStore):
            """A store that looks at the disk before it remembers."""

            def add(self, groups: Sequence[Sequence[bytes]], /) -> tuple[tuple[bool, ...], ...]:
                """Look, and add."""
                paths = [*tmp_path.glob("reports/*/*"), *tmp_path.glob("deliveries/*/*")]
                assert len(paths) == 2
                for path in paths:
                    for one in (path, *path.parents):
                        assert one.stat().st_ino in synced, one
                        if one == tmp_path:
                            break
                return super().add(groups)

        monkeypatch.setattr(os, "fsync", watch)
        archive = EXAMPLE["Archive"](tmp_path, Watching())
        assert archive.take([delivery(report(1))])[0].startswith("250 ")

    @pytest.mark.slow
    def test_killed(self, start: Callable[..., Endpoint], tmp_path: Path) -> None:
        """Killed again and again under load, it has every report that it acknowledged, whole, and knows it."""
        acknowledged: dict[str, bytes] = {}
        for life in range(5):
            endpoint = start()
            # As long as it lives, and with some that it may have taken before.
            clients = [Thread(target=send_until_killed, args=(endpoint, life, n, acknowledged)) for n in range(6)]
            for client in clients:
                client.start()
            wanted = len(acknowledged) + 40 + 17 * life
            endpoint.wait_for(lambda wanted=wanted: len(acknowledged) >= wanted)
            endpoint.kill()
            for client in clients:
                client.join()
        assert len(acknowledged) > 300
        endpoint = start()
        found = endpoint.reports
        assert acknowledged.items() <= found.items()
        assert all(sha256(data) == digest for digest, data in found.items())
        recorded = [one["sha256"] for one in endpoint.deliveries]
        assert set(acknowledged) <= set(recorded)
        assert {text.split()[2] for _, text in endpoint.send(*list(acknowledged.values())[::20])} == {b"duplicate"}
        endpoint.kill()
        with SqliteStore(tmp_path / "archive" / "seen.db") as store:
            sightings = [look_up(identify(parse_report(data)), store) for data in acknowledged.values()]
        assert set(sightings) == {Sighting.DUPLICATE}

    @pytest.mark.slow
    def test_terminated(self, endpoint: Endpoint) -> None:
        """On a signal to end, it answers for accepted messages, drops unfinished clients, and exits with 0."""
        idle, unfinished, finished = endpoint.connect(), endpoint.connect(), endpoint.connect()
        for client in (unfinished, finished):
            for command in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{MAILBOX}>", "DATA"):
                client.docmd(command)
        unfinished.send(report(1))
        # Held back by the store, the report is taken and not yet answered when the signal comes.
        with closing(sqlite3.connect(endpoint.folder / "seen.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            finished.send(on_the_wire(report(2)))
            endpoint.wait_for(lambda: bool(endpoint.deliveries))
            endpoint.process.send_signal(signal.SIGTERM)
            assert idle.getreply() == (421, b"4.3.2 closing")
            other.execute("ROLLBACK")
        assert finished.getreply()[0] == 250
        assert endpoint.process.wait(PLENTY) == 0
        for client in (idle, unfinished, finished):
            client.close()
        assert set(endpoint.reports) == {sha256(report(2))}
        assert "Traceback" not in endpoint.printed()

    @pytest.mark.slow
    def test_store_is_lost(self, start: Callable[..., Endpoint], tmp_path: Path) -> None:
        """Without its store the archive takes a report again into the same file; a new store is filled from the folder."""
        start().send(report(1), report(2))
        endpoint = start()
        folder = endpoint.folder
        endpoint.kill()
        for path in folder.glob("seen.db*"):
            path.unlink()
        endpoint = start()
        assert endpoint.send(report(1))[0][1].startswith(b"2.0.0 archived: first")
        assert set(endpoint.reports) == {sha256(report(1)), sha256(report(2))}
        with SqliteStore(tmp_path / "new.db") as store:
            remember_all((identify(parse_report(data)) for data in endpoint.reports.values()), store)
            assert look_up(identify(parse_report(report(2))), store) is Sighting.DUPLICATE

    @pytest.mark.slow
    def test_two_processes(self, start: Callable[..., Endpoint]) -> None:
        """Two of it share one port and one folder."""
        first = start()
        second = start("--port", str(first.address[1]))
        assert second.address == first.address
        data = [report(number) for number in range(40)]
        assert {first.send(one)[0][0] for one in data} == {250}
        assert first.reports == {sha256(one): one for one in data}
        assert {text.split()[2] for one in data for _, text in first.send(one)} == {b"duplicate"}

    def test_stale(self, tmp_path: Path) -> None:
        """A file that a killed process left unfinished is taken away at a later start, and a young one is left alone."""
        (tmp_path / "incoming").mkdir()
        old, young = tmp_path / "incoming" / "old.part", tmp_path / "incoming" / "young.part"
        for path in (old, young):
            path.write_bytes(b"half of a rep")
        long_ago = (datetime.now(UTC) - timedelta(days=2)).timestamp()
        os.utime(old, (long_ago, long_ago))
        EXAMPLE["Archive"](tmp_path, MemoryStore())
        assert list((tmp_path / "incoming").iterdir()) == [young]


def send_until_killed(endpoint: Endpoint, life: int, client: int, acknowledged: dict[str, bytes]) -> None:
    """Send reports until the server dies; among them those of the end of the life before."""
    with suppress(OSError, smtplib.SMTPException), endpoint.connect() as session:
        again = list(acknowledged.values())[-20:]
        for number in range(10_000):
            data = (
                again.pop()
                if again and number % 3 == 0
                else report(life * 10**6 + client * 10**5 + number, b".\r\n\xff" * 500)
            )
            code, _ = deliver(session, data)
            if code == 250:
                acknowledged[sha256(data)] = data


class TestEncrypted:
    """STARTTLS, where there is a certificate."""

    @pytest.mark.slow
    def test_starttls(self, start: Callable[..., Endpoint], tmp_path: Path) -> None:
        """A report that came over TLS is recorded as such, and no AUTH is offered there either."""
        certificate, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
        subprocess.run(
            [*MAKE_CERTIFICATE.split(), "-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        endpoint = start("--certificate", certificate, "--key", key)
        with endpoint.connect() as client:
            client.starttls(context=ssl.create_default_context(cafile=certificate))
            client.ehlo("hub.example.com")
            assert not {"auth", "starttls"} & set(client.esmtp_features)
            assert deliver(client, report(1, b"Hello.\r\n" * 100_000))[0] == 250
        assert [one["tls"] for one in endpoint.deliveries] == [True]


class TestMain:
    """The command line."""

    @pytest.mark.parametrize("arguments", [[], ["--peer", "192.0.2.1/24"], ["--peer", "mail.example.com"]])
    def test_peers(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
        """Peers must be named, as networks."""
        with pytest.raises(SystemExit) as stopped:
            EXAMPLE["main"]([str(tmp_path / "archive"), *arguments])
        assert stopped.value.code == 2
        assert "--peer" in capsys.readouterr().err
