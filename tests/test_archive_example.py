"""The example of an archive: at the end it has all that was sent, in any order, and a faulty one is detected."""

import argparse
import runpy
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from exjournal import (
    Identity,
    JournalReport,
    MemoryStore,
    ReportFormat,
    Sighting,
    SqliteStore,
    build_report,
    identify,
    look_up,
    parse_report,
    remember,
)

EXAMPLE = runpy.run_path(str(Path(__file__).parent.parent / "examples" / "archive.py"))
Archive: Any = EXAMPLE["Archive"]
Folder: Any = EXAMPLE["Folder"]
DATE = datetime(2026, 10, 1, tzinfo=UTC)


def options(*, order: int = 1, crashes: float = 0.3, durable: bool = False) -> argparse.Namespace:
    """How reports are delivered."""
    return argparse.Namespace(order=order, crashes=crashes, durable=durable)


def report(original: bytes | None, *recipients: str, message_id: str = "<1@mail.example.com>") -> bytes:
    """A report of a message."""
    report = JournalReport(
        sender="ann@example.com", recipients=recipients or ("bob@example.com",), message_id=message_id
    )
    return build_report(report, original, domain="example.com", date=DATE)


def message(text: bytes) -> bytes:
    """A message, always under one Message-ID."""
    return b"From: ann@example.com\r\nMessage-ID: <1@mail.example.com>\r\n\r\n%b\r\n" % text


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    """A folder for an archive."""
    return Folder(tmp_path, durable=False)


@pytest.fixture
def archive(folder: Any) -> Any:
    """An archive with nothing in it."""
    return Archive(folder, MemoryStore())


class TestArchive:
    """The part of the example that an archive is built of."""

    def test_recipients(self, archive: Any) -> None:
        """Two reports of one message are one message with the recipients of both."""
        assert archive.receive(report(message(b"a"), "bob@example.com")) is Sighting.FIRST
        assert archive.receive(report(message(b"a"), "carol@example.net")) is Sighting.SIBLING
        assert archive.receive(report(message(b"a"), "carol@example.net")) is Sighting.DUPLICATE
        [merged] = archive.messages()
        assert [one.address for one in merged.recipients] == ["bob@example.com", "carol@example.net"]

    def test_conflict(self, archive: Any) -> None:
        """Another message under a known Message-ID is kept, reported, and listed under the Message-ID."""
        first, second = report(message(b"a")), report(message(b"b"))
        assert archive.receive(first) is Sighting.FIRST
        assert archive.disputed() == {}
        assert archive.receive(second) is Sighting.CONFLICT
        known, forged = identify(parse_report(first)), identify(parse_report(second))
        assert archive.flagged() == {forged.content_sha256}
        assert archive.disputed() == {known.message_id_sha256: {known.content_sha256, forged.content_sha256}}
        assert len(list(archive.messages())) == 2

    def test_race(self, folder: Any) -> None:
        """A conflict that another process causes between the look-up and the next step is reported."""
        store = MemoryStore()
        look = store.known

        class Late:
            """The store, which answers a look-up before another process adds to it."""

            add = store.add

            def known(self, keys: Sequence[bytes], /) -> tuple[bool, ...]:
                """Look up, and be too late."""
                answer = look(keys)
                remember(identify(parse_report(report(message(b"a")))), store)
                return answer

        second = report(message(b"b"))
        assert Archive(folder, Late()).receive(second) is Sighting.CONFLICT
        assert Archive(folder, Late()).flagged() == {identify(parse_report(second)).content_sha256}

    def test_unread(self, archive: Any, tmp_path: Path) -> None:
        """A message that is not a report is kept aside as it came."""
        assert archive.receive(message(b"a")) is None
        assert archive.receive(message(b"a")) is None
        assert [path.read_bytes() for path in (tmp_path / "unread").iterdir()] == [message(b"a")]
        assert list(archive.messages()) == []

    def test_copy(self, archive: Any) -> None:
        """A copy is taken and read again with its format."""
        assert archive.receive(message(b"a"), ReportFormat.BCC) is Sighting.FIRST
        [merged] = archive.messages()
        assert [one.format for one in merged.reports] == [ReportFormat.BCC]

    def test_without_an_original(self, archive: Any) -> None:
        """Reports without their original are messages of their own and dispute nobody's Message-ID."""
        assert archive.receive(report(message(b"a"))) is Sighting.FIRST
        assert archive.receive(report(None)) is Sighting.FIRST
        assert archive.receive(report(None, "carol@example.net")) is Sighting.FIRST
        assert len(list(archive.messages())) == 3
        assert archive.disputed() == {}

    def test_truncated(self, archive: Any) -> None:
        """A report that lacks no more than its end is kept beside the whole one, in either order."""
        whole = report(message(b"a"))
        assert archive.receive(whole[: whole.rindex(b"\r\n--")]) is Sighting.FIRST
        assert archive.receive(whole) is Sighting.SIBLING
        [merged] = archive.messages()
        assert merged.complete
        assert len(merged.reports) == 2

    def test_order_of_recipients(self, archive: Any) -> None:
        """A report of Exchange 2003 with the same recipients in another order adds nothing."""
        both = ("bob@example.com", "carol@example.net")
        facts = {"sender": "ann@example.com", "message_id": "<1@mail.example.com>"}
        first, second = [
            build_report(
                JournalReport(recipients=recipients, **facts),
                message(b"a"),
                format=ReportFormat.ENVELOPE_2003,
                date=DATE,
            )
            for recipients in (both, both[::-1])
        ]
        assert archive.receive(first) is Sighting.FIRST
        assert archive.receive(second) is Sighting.DUPLICATE

    def test_pruned(self, folder: Any) -> None:
        """What the store has forgotten is taken again and changes nothing."""
        store = MemoryStore(clock=lambda: 0.0)
        archive = Archive(folder, store)
        archive.receive(report(message(b"a")))
        before = list(archive.messages())
        store.prune(before=DATE + timedelta(days=1))
        assert archive.receive(report(message(b"a"))) is Sighting.FIRST
        assert list(archive.messages()) == before


class TestSimulation:
    """The archive has all that was sent, recipient by recipient."""

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(3))
    def test_any_order(self, seed: int, tmp_path: Path) -> None:
        """Neither the order of arrival nor crashes make a difference to what the archive has at the end."""
        reports = EXAMPLE["make_reports"](60, 200, seed)
        states = []
        for number, given in enumerate(
            (options(order=1), options(order=2), options(order=3, crashes=0), options(order=4, crashes=0.6))
        ):
            outcome = EXAMPLE["deliver"](reports, tmp_path / str(number), given)
            assert outcome.differences == []
            assert (outcome.crashes == 0) is (given.crashes == 0)
            assert outcome.conflicts
            states.append(outcome.state)
        assert states[0] == states[1] == states[2] == states[3]

    def test_everything_is_sent(self) -> None:
        """Repeats, forks, every format, reports without roles, truncated ones and forgeries are among the reports."""
        reports = EXAMPLE["make_reports"](60, 200, 1)
        assert len(reports) == 200
        assert len({one.message.number for one in reports}) == 63
        assert len({one.message.number for one in reports if one.message.forged}) == 3
        assert {one.format for one in reports} == {ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003, ReportFormat.BCC}
        assert {one.trusted for one in reports} == {True, False}
        assert {0, None} < {one.cut for one in reports}
        assert any(not one.message.message_id for one in reports)
        assert len({one.number for one in reports}) < 200
        assert EXAMPLE["make_reports"](60, 200, 1) == reports

    @pytest.mark.slow
    def test_main(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The command prints what came of it, and exits with 0 where nothing differs."""
        assert EXAMPLE["main"](["--messages", "20", "--reports", "40", "--seed", "7", "--order", "9", "--durable"]) == 0
        table = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
        assert table["messages"].startswith("20, 1 forgeries")
        assert table["differences"] == "0"

    def test_too_few_reports(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Fewer reports than messages are refused."""
        with pytest.raises(SystemExit) as stopped:
            EXAMPLE["main"](["--messages", "20", "--reports", "20"])
        assert stopped.value.code == 2
        assert "need at least 21 reports" in capsys.readouterr().err


class Forgetful(SqliteStore):
    """A store that does not keep what it says it keeps."""

    def add(self, groups: Sequence[Sequence[bytes]], /) -> tuple[tuple[bool, ...], ...]:
        """Add but one key in eight is lost."""
        found = tuple([self.known(group) for group in groups])
        super().add([[key for key in group if key[-1] % 8] for group in groups])
        return found


class FirstOnly(Archive):
    """An archive that keeps the first report of each message."""

    def archive(self, identity: Identity, data: bytes, format: ReportFormat | None) -> None:
        """Keep a report of a message that is not known."""
        if look_up(identity, self.store) is not Sighting.SIBLING:
            super().archive(identity, data, format)


class RemembersFirst(Archive):
    """An archive that remembers a report before it has it."""

    def receive(self, data: bytes, format: ReportFormat | None = None) -> Sighting:
        """Do it in the wrong order."""
        identity = identify(parse_report(data, format=format))
        answer = remember(identity, self.store)
        if answer is not Sighting.DUPLICATE:
            self.archive(identity, data, format)
        if answer is Sighting.CONFLICT:
            self.flag(identity)
        return answer


class TellsLast(Archive):
    """An archive that reports a conflict after it remembered the report."""

    def receive(self, data: bytes, format: ReportFormat | None = None) -> Sighting:
        """Do it in the wrong order."""
        identity = identify(parse_report(data, format=format))
        if look_up(identity, self.store) is not Sighting.DUPLICATE:
            self.archive(identity, data, format)
        answer = remember(identity, self.store)
        if answer is Sighting.CONFLICT:
            self.flag(identity)
        return answer


class Silent(Archive):
    """An archive that keeps conflicts for itself."""

    def flag(self, identity: Identity) -> None:
        """Say nothing."""


class TrustsTheId(Archive):
    """An archive that drops other content under a Message-ID that it knows."""

    def archive(self, identity: Identity, data: bytes, format: ReportFormat | None) -> None:
        """Keep reports that do not conflict."""
        if look_up(identity, self.store) is not Sighting.CONFLICT:
            super().archive(identity, data, format)


class Damages(Archive):
    """An archive that alters what it keeps."""

    def archive(self, identity: Identity, data: bytes, format: ReportFormat | None) -> None:
        """Keep one field less."""
        super().archive(identity, data.replace(b"X-MS-Exchange-Organization-SCL", b"X-Removed"), format)


class TestFaults:
    """The example detects the faults of an archive, in any order."""

    @pytest.mark.slow
    @pytest.mark.parametrize("order", range(2))
    @pytest.mark.parametrize(
        "archive",
        [FirstOnly, RemembersFirst, TellsLast, Silent, TrustsTheId, Damages],
        ids=["first-only", "remembers-first", "tells-last", "silent", "trusts-the-id", "damages"],
    )
    def test_archive(self, archive: type, order: int, tmp_path: Path) -> None:
        """A faulty archive does not pass."""
        reports = EXAMPLE["make_reports"](90, 240, 1)
        assert EXAMPLE["deliver"](reports, tmp_path, options(order=order, crashes=0.9), archive).differences

    @pytest.mark.slow
    @pytest.mark.parametrize("order", range(2))
    def test_store(self, order: int, tmp_path: Path) -> None:
        """A store that forgets does not pass."""
        reports = EXAMPLE["make_reports"](60, 200, 1)
        given = options(order=order, crashes=0)
        assert EXAMPLE["deliver"](reports, tmp_path, given, open_store=Forgetful).differences

    @pytest.mark.slow
    def test_main(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """The command says what differs, and exits with 1."""
        main = EXAMPLE["main"]
        monkeypatch.setitem(main.__globals__, "deliver", partial(EXAMPLE["deliver"], make_archive=FirstOnly))
        assert main(["--messages", "20", "--reports", "80"]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert any("recipients are missing" in line for line in lines)
