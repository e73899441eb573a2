"""The HTML pages of the command in Chromium: what they look like to it, and that nothing runs and nothing is loaded."""

import json
import re
import shutil
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from exjournal import Envelope, Recipient, build_report, report_for
from exjournal.cli import main

pytestmark = pytest.mark.service

SECONDS = 120
# Chromium as root, without anything that it does on its own account; a name of a host is never looked up.
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--no-zygote",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


class Server:
    """A server for the files of a folder, which notes every path that is asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class _Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server for a folder in which a test works."""
    (tmp_path / "site").mkdir()
    server = Server(tmp_path / "site")
    yield server
    server.close()


def chromium(tmp_path: Path, url: str, *flags: str) -> str:
    """Load a page, and return what Chromium prints."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program is not None, "Chromium is not installed"
    profile = tempfile.mkdtemp(dir=tmp_path)
    words = [program, *FLAGS, f"--user-data-dir={profile}", *flags, url]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def hostile(url: str) -> str:
    """Text that would run a script or load something from a server, if it were HTML."""
    return (
        f'</title></style></script></textarea><script>document.title="taken";fetch("{url}/fetched")</script>'
        f"<script src={url}/script.js></script><img src={url}/image.png onerror=\"new Image().src='{url}/error'\">"
        f"<link rel=stylesheet href={url}/style.css><iframe src={url}/frame.html></iframe><svg onload=fetch('{url}/svg')>"
        f"<style>@import url({url}/import.css)</style><meta http-equiv=refresh content='0;url={url}/refresh'>"
    )


def make_pages(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pages about an archive that is hostile wherever it can be, as names of files."""
    monkeypatch.chdir(folder)
    text = hostile(url)
    original = (
        f'From: "{text.replace(chr(34), chr(39))}" <ann@example.com>\r\nTo: bob@example.com\r\nSubject: {text}\r\n'
        f"X-{url}: {text}\r\nMessage-ID: <1@example.com>\r\n\r\n{text}\r\n"
    ).encode()
    envelope = Envelope("ann@example.com", [Recipient('"<img src=x onerror=x>"@example.com', display_name=text)])
    report = build_report(report_for(original, envelope), original, domain="example.com")
    name = re.sub(r"[/\0]", "\u2215", text)[:60]
    for path, data in {
        "in/report.eml": report,
        "in/cut.eml": report[:-30],
        f"in/{name}.eml": report[:-30],
        "in/\u202egnp.eml": f"Subject: {text}\r\nX-MS-Journal-Report:\r\n\r\n".encode(),
    }.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_bytes(data)
    assert main(["scan", "in", "--merge", "--json", "a.jsonl", "--html", "scan.html", "--html-content", "--quiet"]) == 1
    assert main(["parse", "in/report.eml", "--html", "report.html"]) == 0
    return ["scan.html", "report.html"]


@pytest.mark.usefixtures("capsys")
class TestPages:
    """Each page, as Chromium has it."""

    def test_nothing_runs_and_nothing_is_loaded(
        self, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Chromium asks for the page and for nothing else, and no text of a message becomes an element."""
        for name in make_pages(tmp_path / "site", server.url, monkeypatch):
            server.asked.clear()
            dom = chromium(tmp_path, f"{server.url}/{name}", "--dump-dom", "--virtual-time-budget=2000")
            assert server.asked == [f"/{name}"]
            assert not re.findall(r"<(?:script|img|iframe|link|object|embed|base)\b", dom)
            assert "<title>taken" not in dom
            assert "&lt;script&gt;" in dom
            assert "</footer>" in dom

    def test_the_test_would_notice(self, tmp_path: Path, server: Server) -> None:
        """Without escapes and a policy the same text loads and runs."""
        (tmp_path / "site" / "open.html").write_text(f"<!DOCTYPE html><title>{hostile(server.url)}")
        dom = chromium(tmp_path, f"{server.url}/open.html", "--dump-dom", "--virtual-time-budget=2000")
        assert {"/script.js", "/image.png", "/style.css"} <= {*server.asked}
        assert dom

    def test_policy(self, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """Even if text became HTML, the policy of the page would keep it from running and from loading anything."""
        for name in make_pages(tmp_path / "site", server.url, monkeypatch):
            page = tmp_path / "site" / name
            text = hostile(server.url).partition("<meta")[0] + "<p style='color: red' onclick=alert(1)>styled</p>"
            page.write_text(page.read_text("utf-8").replace("<main>", f"<main>{text}"), "utf-8")
            server.asked.clear()
            dom = chromium(tmp_path, f"{server.url}/{name}", "--dump-dom", "--virtual-time-budget=2000")
            assert server.asked == [f"/{name}"]
            assert "<title>taken" not in dom
            assert "<script" in dom

    @pytest.mark.parametrize("width", [1280, 390])
    def test_fits(self, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
        """No page is wider than a desk's screen or a phone's; its style counts, and a picture of it is not empty."""
        for name in make_pages(tmp_path / "site", server.url, monkeypatch):
            frame = (
                f"<!DOCTYPE html><body style='margin: 0'><iframe src=/{name} width={width} height=3000 style='border: 0'>"
                "</iframe>"
            )
            measure = (
                "<script>onload = () => { const page = document.querySelector('iframe').contentDocument; "
                "document.title = JSON.stringify([page.documentElement.scrollWidth, "
                "getComputedStyle(page.querySelector('h2')).borderTopStyle]) }</script>"
            )
            (tmp_path / "site" / "frame.html").write_text(frame + measure)
            dom = chromium(tmp_path, f"{server.url}/frame.html", "--dump-dom", "--virtual-time-budget=2000")
            found = re.search("<title>(.*?)</title>", dom)
            assert found is not None
            assert json.loads(found[1]) == [width, "solid"]
            picture = tmp_path / f"{name}-{width}.png"
            chromium(tmp_path, f"{server.url}/frame.html", f"--screenshot={picture}", "--window-size=1280,3000")
            data = picture.read_bytes()
            assert struct.unpack(">II", data[16:24]) == (1280, 3000)
            assert len(data) > 30_000
