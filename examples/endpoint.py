"""An archive endpoint: the journal mailbox of an organization, as an SMTP server that loses no report.

`python endpoint.py FOLDER --peer 192.0.2.0/24` listens on port 2525 for reports from these servers only. A report that was
answered with 250 is on the disk, in FOLDER; the sending server still has any other. Needs aiosmtpd and a POSIX system.
"""

import argparse
import asyncio
import errno
import hashlib
import json
import logging
import os
import re
import signal
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from tempfile import mkstemp
from typing import NamedTuple

from aiosmtpd.smtp import SMTP, Envelope, Session

from exjournal import (
    Identity,
    ParseError,
    SeenStore,
    Sighting,
    SqliteStore,
    StoreError,
    identify,
    look_up,
    parse_report,
    remember_all,
)

LOG = logging.getLogger("endpoint")
# Bytes to read ahead of a connection.
CHUNK = 1 << 18
# Bytes of the longest command: an address alone may have 571.
COMMAND = 4096
# Recipients of one message: RFC 5321 (4.5.3.1.8) wants at least 100, and a report goes to one.
RECIPIENTS = 100
# Lines of answers that a client gets from one accepted message to the next: room for many refusals.
ANSWERS = 1000
# Connections at a time from one address, and from all of them; a server of Exchange opens 20 to one domain.
PEER_CONNECTIONS = 50
CONNECTIONS = 500
# Messages of the largest size that may be in memory at a time; smaller ones may be more.
MESSAGES = 4
# The argument of MAIL and RCPT: a path with one address, whose local part can be quoted, or an address without brackets.
PATH = re.compile(r'<(?P<path>(?:[^\s<>"()]|"(?:[^"\\\x00-\x1f]|\\[^\x00-\x1f])*")*)>|(?P<bare>[^\s<>"(),:;]+)')
# Seconds that a client has from one command to the next, including all of a large report.
PATIENCE = 1800
# Seconds to wait for the store, and for clients to read their answers when the server ends.
BUSY = 20
# Files made durable at a time: several that wait for the disk together take hardly longer than one.
WRITERS = 16
# Seconds after which a file in incoming/ must be left over from a killed process.
STALE = 86400

Network = IPv4Network | IPv6Network


class Delivery(NamedTuple):
    """A message as it arrived, and the facts of its arrival."""

    data: bytes
    sha256: str
    received: datetime
    peer: str
    tls: bool
    mail_from: str
    rcpt_to: list[str]


class Kept(NamedTuple):
    """The result for a message: its file, and either its identity and sighting, or the reason why it is not a report."""

    file: str | None
    identity: Identity | None
    sighting: Sighting | None
    code: str | None


class Archive:
    """Files that are complete or missing, and a store that remembers reports. Several processes may work on both."""

    def __init__(self, folder: Path, store: SeenStore) -> None:
        self.folder = folder
        self.store = store
        self.made: set[Path] = set()
        self.writers = ThreadPoolExecutor(WRITERS, "writer")
        _sync(folder.parent)
        self.make(folder / "incoming")
        for left in (folder / "incoming").iterdir():
            if left.stat().st_mtime < time.time() - STALE:
                left.unlink(missing_ok=True)

    def take(self, deliveries: Sequence[Delivery]) -> list[str]:
        """Return the answer to each message; after a 250 the sender may forget its message.

        A process that dies between two of the steps repeats some of them when the message comes again; in another order a
        report could be lost. The last two steps are done once for all messages that came at the same time.
        """
        answers: dict[int, str] = {}
        kept: dict[int, Kept] = {}
        for number, work in enumerate([self.writers.submit(self.keep, one) for one in deliveries]):
            try:
                kept[number] = work.result()
            except Exception as error:  # noqa: BLE001 - after any error the client keeps the message
                answers[number] = deferred(error)
        try:
            self.record({number: deliveries[number] for number in kept}, kept)
            reports = {number: one.identity for number, one in kept.items() if one.identity}
            sightings = dict(zip(reports, remember_all(reports.values(), self.store), strict=True))
        except Exception as error:  # noqa: BLE001
            answer = deferred(error)
            return [answers.get(number, answer) for number in range(len(deliveries))]
        for number, one in kept.items():
            delivery, what = deliveries[number], sightings.get(number) or one.code
            level = logging.INFO if what in {Sighting.FIRST, Sighting.SIBLING, Sighting.DUPLICATE} else logging.WARNING
            LOG.log(level, "%s %s: %s bytes from %s", what, delivery.sha256, len(delivery.data), delivery.peer)
            answers[number] = f"250 2.0.0 {'quarantined' if one.code else 'archived'}: {what} {delivery.sha256}"
        return [answers[number] for number in range(len(deliveries))]

    def keep(self, delivery: Delivery) -> Kept:
        """Parse, look up, and store unless the report adds nothing."""
        try:
            identity = identify(parse_report(delivery.data))
        except ParseError as error:
            file = f"quarantine/{delivery.sha256}.{error.code}.eml"
            self.put(file, delivery.data)
            return Kept(file, None, None, str(error.code))
        sighting = look_up(identity, self.store)
        if sighting is Sighting.DUPLICATE:
            return Kept(None, identity, sighting, None)
        # The reports of one message are next to each other; equal bytes are the same file, however often they come.
        content = identity.content_sha256 or identity.report_key
        file = f"reports/{content[:2]}/{content}.{delivery.sha256}.eml"
        self.put(file, delivery.data)
        return Kept(file, identity, sighting, None)

    def record(self, deliveries: dict[int, Delivery], kept: dict[int, Kept]) -> None:
        """Keep the facts that are not in a report: when it came, from where, and under which envelope."""
        if not kept:
            return
        lines = []
        for number, one in deliveries.items():
            what = kept[number]
            facts = {
                "received": one.received.isoformat(),
                "peer": one.peer,
                "tls": one.tls,
                "mail_from": one.mail_from,
                "rcpt_to": one.rcpt_to,
                "size": len(one.data),
                "sha256": one.sha256,
                "sighting": what.sighting,
                "code": what.code,
                "file": what.file,
            }
            lines.append(json.dumps(facts) + "\n")
        data = "".join(lines).encode("ascii")
        first = min([one.received for one in deliveries.values()])
        name = f"{first:%Y%m%dT%H%M%S.%f}-{hashlib.sha256(data).hexdigest()[:16]}"
        self.put(f"deliveries/{first:%Y-%m-%d}/{name}.jsonl", data)

    def put(self, name: str, data: bytes) -> None:
        """Keep a file; repeating it changes nothing."""
        path = self.folder / name
        self.make(path.parent)
        if not path.exists():
            descriptor, part = mkstemp(dir=self.folder / "incoming", suffix=".part")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(descriptor)
                Path(part).replace(path)
            except BaseException:
                Path(part).unlink(missing_ok=True)
                raise
        _sync(path.parent)  # also for a file that was there: its process may have died before this

    def make(self, path: Path) -> None:
        """Make a folder inside the archive; an existing one is handled like an existing file."""
        if path not in self.made or not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            for folder in path.parents:
                _sync(folder)
                if folder == self.folder:
                    break
            self.made.add(path)


def _sync(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def deferred(error: Exception) -> str:
    """Return the answer after a failure: the client tries again, so nothing is lost and nothing bounces."""
    if isinstance(error, OSError | StoreError):
        LOG.error("deferred: %s", error)
    else:
        LOG.error("deferred, and this is a bug", exc_info=error)
    full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
    return "452 4.3.1 no room, try again" if full else "451 4.3.0 not kept, try again"


class Mailbox:
    """Answers messages. Those that arrive while others are being written are then written together."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        # Bytes of the messages that are being read or written.
        self.held = 0
        self.waiting: asyncio.Queue[tuple[Delivery, asyncio.Future[str]]] = asyncio.Queue()
        self.taking: set[SMTP] = set()
        self.ending = False

    async def write(self) -> None:
        """Let the archive take the waiting messages, and answer each client, for ever."""
        while True:
            await self.write_together([await self.waiting.get()])

    async def write_together(self, batch: list[tuple[Delivery, asyncio.Future[str]]]) -> None:
        """Take the message and all that wait after it."""
        while not self.waiting.empty():
            batch.append(self.waiting.get_nowait())
        answers = await asyncio.to_thread(self.archive.take, [delivery for delivery, _ in batch])
        for (_, answer), line in zip(batch, answers, strict=True):
            if not answer.done():  # where the client has gone, nobody waits
                answer.set_result(line)

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Do not offer AUTH, as aiosmtpd does after STARTTLS: the network decides who may send."""
        session.host_name = hostname
        return [line for line in responses if not line.startswith("250-AUTH")]

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, up to a limit: the client sends the message to the others in another transaction."""
        if address == "<>":
            return "553 5.1.3 the null sender is not a recipient"
        if len(envelope.rcpt_tos) >= RECIPIENTS:
            return f"452 4.5.3 more than {RECIPIENTS} recipients"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Wait until the message is kept; the client keeps it until it reads 250."""
        data = envelope.original_content or b""
        delivery = Delivery(
            data,
            hashlib.sha256(data).hexdigest(),
            datetime.now(UTC),
            server.transport.get_extra_info("peername")[0] if server.transport else "",
            session.ssl is not None,
            "" if envelope.mail_from == "<>" else envelope.mail_from or "",  # aiosmtpd's spelling of the null sender
            envelope.rcpt_tos,
        )
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait((delivery, answer))
        self.taking.add(server)
        try:
            return await answer
        finally:
            self.taking.discard(server)
            if self.ending and server.transport:
                asyncio.get_running_loop().call_soon(server.transport.close)  # after the answer

    async def handle_exception(self, error: Exception) -> str:
        """Defer after an unexpected error, for which aiosmtpd would refuse the message for good."""
        return deferred(error)


class Connection(SMTP):
    """A connection with limits suited to reports: they contain messages of any size, with lines of any length.

    Everything that one client can make this process hold or do has a limit: bytes of a command, recipients, answers, memory.
    """

    line_length_limit = CHUNK  # of its reader; the lines of a message have no limit, as no line of it is looked at
    command_size_limit = COMMAND
    command_size_limits = defaultdict(lambda: COMMAND)  # noqa: RUF012 - as aiosmtpd has it

    def __init__(
        self, mailbox: Mailbox, largest: int, name: str, tls: ssl.SSLContext | None, open_: dict[SMTP, str], peer: str
    ) -> None:
        self.mailbox = mailbox
        self.largest = largest
        self.answers = 0
        self.peer = peer
        self.open = open_
        super().__init__(
            mailbox,
            data_size_limit=largest,
            enable_SMTPUTF8=True,
            hostname=name,
            ident="ESMTP",
            tls_context=tls,
            timeout=PATIENCE,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, and begin again after STARTTLS."""
        self.open[self] = self.peer
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self.open.pop(self, None)
        super().connection_lost(error)

    async def push(self, status: str | bytes) -> None:
        """Answer, and end a connection that asks for much and sends no message."""
        self.answers += 1
        is_end = self.answers > ANSWERS
        if isinstance(status, str):
            status = status.encode("utf-8", "replace").decode()  # some repeat what the client said
        await super().push("421 4.7.0 too many commands" if is_end else status)
        if is_end and self.transport:
            self.transport.close()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Return the address in MAIL or RCPT and the text after it, or (None, None) for an invalid one.

        aiosmtpd has the parser of `email` for this, which fails with IndexError for some commands and takes long for others.
        """
        found = PATH.match(arg.lstrip())
        if found is None or not found[0].isprintable():
            return None, None
        address = found["bare"] if found["path"] is None else found["path"]
        return address or "<>", arg.lstrip()[found.end() :]  # aiosmtpd's spelling of the null sender

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        """Read a message in large pieces, with lines of any length, and answer for it.

        aiosmtpd reads line by line, in twice the time for 20 KB and in five times the time for 5 MB, and refuses long lines.
        """
        session, envelope = self.session, self.envelope
        if arg or session is None or envelope is None or not session.host_name or not envelope.rcpt_tos:
            await super().smtp_DATA(arg)  # which answers with the error
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        held = 0
        refusal = ""
        data = bytearray(b"\r\n")  # the end of the line before, so that the first line is like the others
        try:
            while not data.endswith(b"\r\n.\r\n"):
                before = len(data)
                try:
                    data += await self._reader.readuntil(b".\r\n")
                except asyncio.LimitOverrunError as waiting:
                    data += await self._reader.read(waiting.consumed)
                if not refusal:
                    held += len(data) - before
                    self.mailbox.held += len(data) - before
                    if len(data) > self.largest + len(b"\r\n.\r\n"):
                        refusal = "552 5.3.4 too large"
                    elif self.mailbox.held > MESSAGES * (self.largest + CHUNK):
                        refusal = "452 4.3.1 too many messages at a time, try again"
                if refusal:
                    del data[:-5]  # the rest is read, as the client listens to nothing before its end, and dropped
                    self.mailbox.held -= held
                    held = 0
            if refusal:
                answer = refusal
            else:
                envelope.original_content = bytes(data[:-3]).replace(b"\r\n.", b"\r\n")[2:]
                del data
                answer = await self.event_handler.handle_DATA(self, session, envelope)
        finally:
            self.mailbox.held -= held
        self.envelope = Envelope()
        if answer.startswith("250"):
            self.answers = 0
        await self.push(answer)


class Door(asyncio.Protocol):
    """Lets only listed peers in: anyone else who could connect could fill the archive with forged reports."""

    def __init__(self, peers: Sequence[Network], open_: dict[SMTP, str], connect: partial[Connection]) -> None:
        self.peers = peers
        self.open = open_
        self.connect = connect

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass the connection on, or end it."""
        peer = ip_address(transport.get_extra_info("peername")[0].partition("%")[0])
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped:
            peer = peer.ipv4_mapped
        if not any(peer in network for network in self.peers):
            LOG.warning("refused: %s is not listed", peer)
            dismiss(transport, b"554 5.7.1 not for you")
        elif len(self.open) >= CONNECTIONS or list(self.open.values()).count(str(peer)) >= PEER_CONNECTIONS:
            LOG.warning("refused: too many connections, the last one of %s", peer)
            dismiss(transport, b"421 4.7.0 too many connections")
        else:
            connection = self.connect(str(peer))
            transport.set_protocol(connection)
            connection.connection_made(transport)


def dismiss(transport: asyncio.BaseTransport | None, line: bytes) -> None:
    """Send the reason, and end a connection."""
    if isinstance(transport, asyncio.Transport):
        transport.write(line + b"\r\n")
        transport.close()


async def serve(options: argparse.Namespace, archive: Archive) -> None:
    """Serve until stopped; then answer for the messages that were taken, and let the others come again."""
    loop, end, connections = asyncio.get_running_loop(), asyncio.Event(), dict[SMTP, str]()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    tls = None
    if options.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(options.certificate, options.key)
    mailbox = Mailbox(archive)
    connect = partial(Connection, mailbox, options.largest, options.name, tls, connections)
    door = partial(Door, options.peer, connections, connect)
    # If one process is not enough, start another one for the same folder and port: connections are spread over all of them.
    server = await loop.create_server(door, options.host or None, options.port, reuse_port=True)
    writer = asyncio.create_task(mailbox.write())
    for listening in server.sockets:
        LOG.info("listening on %s port %s", *listening.getsockname()[:2])
    ended = asyncio.create_task(end.wait())
    await asyncio.wait((ended, writer), return_when=asyncio.FIRST_COMPLETED)
    server.close()
    mailbox.ending = True
    for one in connections.keys() - mailbox.taking:
        dismiss(one.transport, b"421 4.3.2 closing")
    deadline = loop.time() + BUSY
    while connections and loop.time() < deadline and not writer.done():
        await asyncio.sleep(0.01)
    if writer.done():
        writer.result()  # what ended it ends the server, which is to be started again
    writer.cancel()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, and serve."""
    parser = argparse.ArgumentParser(description="Archive journal reports that come by SMTP.")
    parser.add_argument("folder", type=Path, help="where everything is kept, on a local disk")
    parser.add_argument(
        "--peer", type=ip_network, action="append", required=True, help="who may connect; may be repeated"
    )
    parser.add_argument("--host", default="", help="the address to listen on; all of them without it")
    parser.add_argument("--port", type=int, default=2525, help="the port to listen on (2525)")
    parser.add_argument("--name", default=socket.gethostname(), help="the name to greet with")
    parser.add_argument("--largest", type=int, default=200 << 20, help="bytes of the largest report (200 MiB)")
    parser.add_argument("--certificate", help="a file with a certificate chain, to offer STARTTLS")
    parser.add_argument("--key", help="the file with its key, where that is another one")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd's, which names senders and recipients
    folder = options.folder.absolute()
    folder.mkdir(exist_ok=True)
    with SqliteStore(folder / "seen.db", timeout=BUSY) as store:
        asyncio.run(serve(options, Archive(folder, store)))


if __name__ == "__main__":
    main()
