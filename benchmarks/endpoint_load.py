"""Measure how many reports a second examples/endpoint.py accepts, and whether any is lost: endpoint_load.py [--help].

It starts the example, sends it different reports over many connections as servers do, without SMTP pipelining, and then looks
for every byte of each report that was answered with 250. The exit status is 1 if one is missing. Needs aiosmtpd.
"""

import argparse
import hashlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from measure import KB, LIBRARY, conditions
from messages import sample

EXAMPLE = Path(__file__).parent.parent / "examples" / "endpoint.py"
ENVELOPE = (
    b"MAIL FROM:<journal-ndr@example.com> BODY=8BITMIME\r\n",
    b"RCPT TO:<journal@archive.example>\r\n",
    b"DATA\r\n",
)


class Sent(NamedTuple):
    """A report that was answered with 250, and the seconds from its MAIL FROM to the answer."""

    sha256: str
    seconds: float


class Client(Thread):
    """The connection of a server that sends its reports one by one."""

    def __init__(self, port: int, reports: Sequence[bytes]) -> None:
        super().__init__()
        self.port = port
        # Dots are doubled beforehand, so that the time of the client is not measured.
        self.reports = [(hashlib.sha256(one).hexdigest(), _on_the_wire(one)) for one in reports]
        self.sent: list[Sent] = []
        self.refused: list[bytes] = []

    def run(self) -> None:
        """Send all reports."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection, connection.makefile("rb") as answers:
            answers.readline()
            connection.sendall(b"EHLO hub.example.com\r\n")
            while answers.readline()[3:4] == b"-":
                pass
            for digest, data in self.reports:
                begun = time.perf_counter()
                for command in (*ENVELOPE, data):
                    connection.sendall(command)
                    answer = answers.readline()
                    if answer[:1] not in b"23" or not answer:
                        self.refused.append(answer)
                        return
                self.sent.append(Sent(digest, time.perf_counter() - begun))


def _on_the_wire(data: bytes) -> bytes:
    return (b"\r\n" + data).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def found(folder: Path) -> set[str]:
    """Read every file of the archive, because its name alone proves nothing."""
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("reports/*/*.eml")}


def start(folder: Path, log: Path, port: bytes) -> tuple[subprocess.Popen[bytes], bytes]:
    """Start the example; return its process and port."""
    command = [sys.executable, str(EXAMPLE), str(folder), "--peer", "127.0.0.1", "--host", "127.0.0.1", "--port", port]
    with log.open("wb") as errors:
        server = subprocess.Popen(command, stderr=errors, env={"PYTHONPATH": str(LIBRARY)})
    while not (found := re.search(rb"listening on \S+ port (\d+)", log.read_bytes())):
        time.sleep(0.01)
    return server, found[1]


def main() -> int:
    """Put the endpoint under load, and print the results."""
    parser = argparse.ArgumentParser(description="Load examples/endpoint.py, and look for what it acknowledged.")
    parser.add_argument("--reports", type=int, default=10_000, help="the number of reports (10000)")
    parser.add_argument("--size", type=int, default=20 * KB, help="bytes of a report (20480)")
    parser.add_argument("--connections", type=int, default=20, help="concurrent connections (20)")
    parser.add_argument("--processes", type=int, default=1, help="processes of the example that share the port (1)")
    parser.add_argument("--folder", type=Path, help="the folder for the archive, on the disk to measure; it is kept")
    options = parser.parse_args()
    reports = [sample(number, options.size).data for number in range(options.reports)]
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        servers, port = [], b"0"
        for number in range(options.processes):
            started, port = start(Path(folder), Path(folder, f"log{number}"), port)
            servers.append(started)
        shares = [reports[number :: options.connections] for number in range(options.connections)]
        clients = [Client(int(port), share) for share in shares]
        begun = time.perf_counter()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        seconds = time.perf_counter() - begun
        for server in servers:
            server.terminate()
            server.wait()
        sent = [one for client in clients for one in client.sent]
        there = found(Path(folder))
        lost = sum(1 for one in sent if one.sha256 not in there)
    latencies = sorted([one.seconds for one in sent])
    print(conditions(), end="\n\n")
    print(
        "| reports of | processes | connections | a second | median | 99th percentile | longest | not accepted | lost |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    middle, late, longest = [
        f"{one * 1e3:.1f} ms"
        for one in (statistics.median(latencies), latencies[len(latencies) * 99 // 100], latencies[-1])
    ]
    cells = (f"{options.size / KB:g} KB", options.processes, options.connections, f"{len(sent) / seconds:.0f}")
    print("| " + " | ".join(map(str, (*cells, middle, late, longest, len(reports) - len(sent), lost))) + " |")
    return 1 if lost or len(sent) < len(reports) else 0


if __name__ == "__main__":
    sys.exit(main())
