"""Everything public, used as a caller would: mypy checks it in strict mode, and test_public_api.py runs it."""

import mmap
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import assert_type

from exjournal import (
    LEAVING_HEADERS,
    ORGANIZATION_HEADERS,
    RESTORE_HEADERS,
    ArchivedMessage,
    ArchivedReport,
    Body,
    BuildError,
    Decision,
    Defect,
    DefectCode,
    Delivery,
    Envelope,
    Evidence,
    Hold,
    HoldReason,
    Identity,
    InvalidValue,
    JournalAgent,
    JournalError,
    JournalReport,
    JournalRule,
    Loop,
    MboxVariant,
    MemoryStore,
    MergedRecipient,
    MergedReport,
    MessageKind,
    Organization,
    Outcome,
    ParsedReport,
    ParseError,
    Part,
    PartKind,
    Recipient,
    ReportFormat,
    Role,
    RuleSet,
    ScanSummary,
    Scope,
    Seal,
    SeenStore,
    Sighting,
    Source,
    SqliteStore,
    Statement,
    StoreError,
    Undeliverable,
    Unreadable,
    address_key,
    build_report,
    decide,
    detect_format,
    detect_loop,
    identify,
    load_config,
    load_secret,
    look_up,
    mailbox_key,
    map_archive,
    merge,
    message_kind,
    parse_report,
    read_archive,
    read_source,
    remember,
    remember_all,
    report_for,
    scan_archive,
    strip_headers,
    unwrap_undeliverable,
    verify_seal,
)

MESSAGE = (
    b"From: ann@example.com\r\nTo: bob@example.net\r\nSubject: Lunch\r\nMessage-ID: <1@example.com>\r\n\r\nAt one?\r\n"
)
DATE = datetime(2026, 10, 1, 7, 0, 5, tzinfo=UTC)
SECRET = b"a secret of the organization"


def writes() -> bytes:
    """Envelopes and reports take strings, Recipients or both, from any collection."""
    member = Recipient("dave@example.com", Role.TO, expanded_from="staff@example.com", display_name="Dave")
    addresses: list[str] = ["bob@example.net"]
    lazy: Iterator[Recipient] = iter([member, Recipient("erin@example.org", forwarded_from="carol@example.net")])
    assert_type(Envelope("ann@example.com", addresses).recipients, tuple[Recipient, ...])
    envelope = Envelope("ann@example.com", [*addresses, *lazy], authenticated=True, trusted_path=False)
    assert_type(envelope.sender, str)
    assert_type(envelope.authenticated, bool)
    assert_type(envelope.trusted_path, bool)
    report = report_for(MESSAGE, envelope)
    assert_type(report, JournalReport)
    for same_message in (bytearray(MESSAGE), memoryview(MESSAGE)):
        assert report_for(same_message, envelope) == report
    data = build_report(
        report,
        MESSAGE,
        domain="example.com",
        format=ReportFormat.ENVELOPE,
        decrypted=bytearray(MESSAGE),
        date=DATE,
        report_id="<2@example.com>",
        internal=False,
    )
    assert_type(data, bytes)
    older = build_report(report, MESSAGE, format=ReportFormat.ENVELOPE_2003, correct_marker=True, eight_bit=True)
    assert detect_format(older) is ReportFormat.ENVELOPE_2003
    assert (
        verify_seal(build_report(report, MESSAGE, domain="example.com", secret=SECRET), secrets=[SECRET]) is Seal.VALID
    )
    return data


def copies() -> None:
    """A copy is read as the format that its caller names; the result has the source of its recipients."""
    report = JournalReport(sender="ann@example.com", recipients=["bob@example.net", "carol@example.net"])
    copy = build_report(report, MESSAGE, format=ReportFormat.BCC, bcc_all=True)
    parsed = parse_report(copy, format=ReportFormat.BCC)
    assert_type(parsed.recipients_from, Evidence)
    assert parsed.recipients_from is Evidence.HEADER
    assert_type(parsed.decrypted_evidence, str)
    assert parsed.decrypted_evidence == ""
    if message_kind(MESSAGE) is MessageKind.MAIL:
        assert build_report(report, memoryview(MESSAGE), format=ReportFormat.MESSAGE_ONLY) == MESSAGE


def names_values() -> None:
    """Where a member of an enumeration is expected, its value is as good; a checker knows the values."""
    member = Recipient("dave@example.com", "Bcc", expanded_from="staff@example.com")
    assert_type(member.role, Role)
    report = JournalReport(sender="ann@example.com", recipients=[member])
    data = build_report(report, MESSAGE, domain="example.com", format="envelope")
    assert parse_report(data, format="envelope").report == parse_report(data, format=ReportFormat.ENVELOPE).report
    assert unwrap_undeliverable(data, format="bcc").report == data
    rule = JournalRule("All", "journal@archive.example", scope="internal", format="envelope-2003")
    assert_type(rule.scope, Scope)
    assert_type(rule.format, ReportFormat)
    assert_type(
        JournalRule.for_database("DB", "journal@archive.example", mailboxes="DB 1", format="bcc").format, ReportFormat
    )
    with tempfile.TemporaryDirectory() as folder:
        assert list(read_archive(folder, mbox="mboxrd", format="message-only")) == []
        assert list(map_archive(archived, folder, jobs=1, mbox="from-any", format="envelope")) == []
        assert scan_archive(folder, jobs=1, mbox="mboxo", format="envelope").items == 0


def says_by_hand() -> bytes:
    """A report can be written from facts alone, without the original."""
    report = JournalReport(
        sender="ann@example.com",
        recipients=("bob@example.net", Recipient("carol@example.net", Role.BCC)),
        subject="Lunch",
        message_id="<1@example.com>",
        on_behalf_of="erin@example.com",
        envelope_sender="",
        label="Projects",
        mailbox="ann@example.com",
        sent_utc="10/1/2026 7:00:05 AM",
        received_utc="10/1/2026 7:00:09 AM",
        sender_display_name="Ann",
    )
    assert report.sent_at == DATE
    assert {report: "hashable"}[report] == "hashable"
    return build_report(report, None, domain="example.com")


def reads(data: bytes) -> None:
    """Results have one type for each fact, and None if it may be missing."""
    assert_type(detect_format(data), ReportFormat | None)
    parsed = parse_report(data, format=None, strict=True)
    assert_type(parsed, ParsedReport)
    assert_type(parsed.report, JournalReport)
    assert_type(parsed.format, ReportFormat)
    assert_type(parsed.marker, str)
    assert_type(parsed.report_id, str)
    assert_type(parsed.outer_block, bytes)
    assert_type(parsed.parts, tuple[Part, ...])
    assert_type(parsed.defects, tuple[Defect, ...])
    assert_type(parsed.unparsed, tuple[str, ...])
    assert_type(parsed.original, memoryview | None)
    assert_type(parsed.decrypted, memoryview | None)
    assert_type(parsed.original_bytes(), bytes | None)
    assert_type(parsed.original_message(), EmailMessage | None)
    assert_type(parsed.to_dict(), dict[str, object])
    assert_type(parsed.to_dict(content=True), dict[str, object])
    if parsed.original is not None:
        assert parsed.original == MESSAGE


def reads_what_it_says(report: JournalReport) -> None:
    """A report has text; None means that it does not say."""
    assert_type(report.sender, str)
    assert_type(report.recipients, tuple[Recipient, ...])
    assert_type(report.subject, str)
    assert_type(report.message_id, str)
    assert_type(report.on_behalf_of, str | None)
    assert_type(report.envelope_sender, str | None)
    assert_type(report.label, str | None)
    assert_type(report.mailbox, str | None)
    assert_type(report.sent_utc, str | None)
    assert_type(report.received_utc, str | None)
    assert_type(report.sent_at, datetime | None)
    assert_type(report.received_at, datetime | None)
    assert_type(report.sender_display_name, str)
    for recipient in report.recipients:
        assert_type(recipient.address, str)
        assert_type(recipient.role, Role)
        assert_type(recipient.expanded_from, str | None)
        assert_type(recipient.forwarded_from, str | None)
        assert_type(recipient.display_name, str)


def reads_parts(parts: Iterable[Part]) -> None:
    """Parts have a kind and a place in the caller's bytes."""
    for part in parts:
        assert_type(part.kind, PartKind)
        assert_type(part.media_type, str)
        assert_type(part.encoding, str)
        assert_type(part.content, memoryview)
        assert_type(part.offset, int)
        assert_type(part.size, int)


def reads_headers(parsed: ParsedReport) -> None:
    """Header fields are looked up like in a mapping and walked like a list."""
    headers = parsed.headers
    assert_type(headers.get("subject"), str | None)
    assert_type(headers.get_all("received"), tuple[str, ...])
    pairs: list[tuple[str, str]] = list(headers)
    assert len(headers) == len(pairs)
    assert "SUBJECT" in headers
    assert bytes(headers) == parsed.outer_block


def reads_in_place(data: bytes) -> None:
    """A mapped file is read like bytes."""
    mapped = mmap.mmap(-1, len(data))
    mapped[:] = data
    assert detect_format(mapped) is ReportFormat.ENVELOPE
    assert parse_report(mapped).report == parse_report(memoryview(data)).report
    assert build_report(JournalReport(sender="", recipients=["bob@example.net"]), mapped, domain="example.com")


def rescues(data: bytes) -> None:
    """A report comes out of a bounce as bytes, with a status that is typed; a report that is not a bounce comes back."""
    bounce = b"\r\n".join(
        [
            b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b",
            b"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; journal@archive.example",
            b"Action: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n",
            data,
            b"--b--\r\n",
        ]
    )
    for given in (bounce, bytearray(bounce), memoryview(bounce)):
        found = unwrap_undeliverable(given)
        assert_type(found, Undeliverable)
        assert found.report == data
    assert_type(found.report, bytes | None)
    assert_type(found.report_id, str)
    assert_type(found.defects, tuple[Defect, ...])
    assert_type(found.parsed, ParsedReport | None)
    assert_type(found.found, str | None)
    for one in found.status:
        texts: list[str] = [
            one.recipient,
            one.action,
            one.status,
            one.diagnostic,
            one.original_recipient,
            one.remote_mta,
        ]
        assert texts == ["journal@archive.example", "failed", "5.1.1", "", "", ""]
    assert unwrap_undeliverable(data).status == ()


class OwnStore:
    """A store of the caller's own: two methods make one."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()

    def known(self, keys: Sequence[bytes], /) -> list[bool]:
        """For each key whether it is there."""
        return [key in self.seen for key in keys]

    def add(self, groups: Sequence[Sequence[bytes]], /) -> list[list[bool]]:
        """Add the keys of every group, and say which were there."""
        answers: list[list[bool]] = []
        for group in groups:
            answers.append(self.known(group))
            self.seen.update(group)
        return answers


def remembers(data: bytes) -> None:
    """Every store gives the same answers, and an identity is a value of text, truths and None."""
    one = identify(parse_report(data))
    assert_type(one, Identity)
    ids: list[str] = [one.report_id, one.message_id, one.recipients_sha256, one.message_key, one.report_key]
    assert all(ids)
    assert_type(one.message_id_sha256, str | None)
    assert_type(one.mih, str | None)
    assert_type(one.original_sha256, str | None)
    assert_type(one.content_sha256, str | None)
    assert_type(one.decrypted_sha256, str | None)
    assert_type(one.complete, bool)
    assert_type(one.nested, bool)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "seen.db")
        with (
            MemoryStore() as memory,
            SqliteStore(path, durable=False, timeout=5, clock=lambda: 0.0) as file,
            SqliteStore(str(path) + "2") as other,
        ):
            stores: list[SeenStore] = [MemoryStore(clock=lambda: 0), other, memory, file, OwnStore()]
            for store in stores:
                assert look_up(one, store) is Sighting.FIRST
                assert_type(remember(one, store), Sighting)
                assert_type(remember_all(iter([one, one]), store), tuple[Sighting, ...])
                assert_type(store.known([b"key"]), Sequence[bool])
                assert_type(store.add([[b"key"], (b"key",)]), Sequence[Sequence[bool]])
            assert_type(memory.prune(before=DATE), int)
            assert_type(file.prune(before=DATE), int)
            assert pickle.loads(pickle.dumps(one)) == one
            memory.close()


def archived(item: ArchivedReport | ArchivedMessage | Unreadable) -> tuple[Source, int]:
    """An item is a report, another message, or what cannot be used."""
    assert_type(item.source, Source)
    assert_type(item.defects, tuple[Defect, ...])
    match item:
        case ArchivedReport():
            assert_type(item.parsed, ParsedReport)
            assert_type(item.undeliverable, Undeliverable | None)
            return item.source, len(item.octets)
        case ArchivedMessage():
            assert_type(item.code, DefectCode)
            assert_type(item.reads_like, ReportFormat | None)
            return item.source, len(item.octets)
        case Unreadable():
            assert_type(item.error, ParseError | OSError)
            return item.source, 0 if item.octets is None else len(item.octets)


def reads_archives(data: bytes) -> None:
    """Paths are strings or paths; what a function makes of items keeps its type; sources are values and data."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mail")
        path.mkdir()
        (path / "1.eml").write_bytes(data)
        [found] = read_archive(path, patterns=["*.eml"], mbox=MboxVariant.MBOXRD)
        assert_type(found, ArchivedReport | ArchivedMessage | Unreadable)
        results = map_archive(archived, path, jobs=1, undeliverable=True)
        assert_type(results, Iterator[tuple[Source, int]])
        [(source, size)] = results
        assert size == len(read_source(Source.from_dict(source.to_dict())))
        parts: tuple[str, Sequence[tuple[str, int]]] = (source.path, source.members)
        assert parts == (str(path / "1.eml"), ())
        assert_type(source.offset, int | None)
        assert_type(source.size, int | None)
        assert_type(source.mbox, MboxVariant | None)
        shown: list[ScanSummary] = []
        summary = scan_archive(
            path, json=Path(folder, "mail.jsonl"), merge=True, jobs=1, progress=shown.append, complain=complains
        )
        counts: list[Mapping[str, int]] = [summary.formats, summary.defects, summary.messages, summary.refusals]
        counts += [summary.originals, summary.quarantined, summary.sightings]
        numbers: list[int] = [summary.items, summary.reports, summary.octets, summary.unreadable, summary.incomplete]
        assert numbers[:2] == [1, 1]
        assert_type(summary.share, float)
        assert shown
        assert summary.resumed == summary.unmarked == 0
        counts += [summary.reads_like, summary.left_out]
        assert_type(summary.distinct, int | None)
        assert_type(summary.duplicates, int | None)
        assert_type(summary.conflicts, int | None)
        assert summary.account is None
        finished: list[ScanSummary] = []
        scan_archive(path, manifest=Path(folder, "sums"), skip=[path / "page.html"], jobs=1, finish=finished.append)
        account = finished[0].account
        assert account is not None
        counts += [account.outcomes, account.months, account.exception_counts, account.files[0].outcomes]
        assert_type(account.files[0].modified, datetime | None)
        assert_type(account.sessions[0].end, datetime)
        assert_type(account.outputs[0].sha256, str)


def complains(source: Source, reason: str) -> None:
    """What a caller does with what could not be read."""
    raise AssertionError(str(source), reason)


def merges(data: bytes) -> None:
    """Reports are merged as they were read, as statements, as merged ones and as data."""
    parsed = parse_report(data)
    assert_type(merge([parsed]), tuple[MergedReport, ...])
    lazy: Iterator[ParsedReport | Mapping[str, object]] = iter(
        [parsed, {**parsed.to_dict(), "identity": identify(parsed).to_dict()}]
    )
    [merged] = merge(lazy)
    assert_type(merged.content_sha256, str | None)
    assert_type(merged.statements, frozenset[Statement])
    assert_type(merged.reports, tuple[Statement, ...])
    assert_type(merged.message_ids, tuple[str, ...])
    assert_type(merged.senders, tuple[str, ...])
    assert_type(merged.on_behalf_of, tuple[str, ...])
    assert_type(merged.envelope_senders, tuple[str, ...])
    assert_type(merged.subjects, tuple[str, ...])
    assert_type(merged.complete, bool)
    assert_type(merged | merged, MergedReport)
    assert_type(merged.combined(), JournalReport)
    assert_type(merged.to_dict(), dict[str, object])
    assert_type(MergedReport.from_dict(merged.to_dict()), MergedReport)
    for recipient in merged.recipients:
        assert_type(recipient, MergedRecipient)
        assert_type(recipient.address, str)
        assert_type(recipient.role, Role)
        assert_type(recipient.expanded_from, str | None)
        assert_type(recipient.forwarded_from, str | None)
        assert_type(recipient.display_names, tuple[str, ...])
        assert_type(recipient.claimed_names, tuple[str, ...])
        assert_type(recipient.evidence, Evidence)
        assert_type(recipient.seen_in, tuple[Statement, ...])
    for statement in merged.reports:
        assert_type(statement.identity, Identity)
        assert_type(statement.format, ReportFormat)
        assert_type(statement.marker, str)
        assert_type(statement.report, JournalReport)
        assert_type(statement.defects, tuple[Defect, ...])
        assert_type(statement.unparsed, tuple[str, ...])
        assert_type(statement.escaped, bool)
        assert_type(statement.recipients_from, Evidence)
        assert_type(statement.to_dict(), dict[str, object])
    assert merge(merged.reports) == merge([merged, merged.to_dict()]) == (merged,)


def takes_fields_out() -> None:
    """Header fields go by name: by a set of the library or by any collection of strings."""
    sets: list[tuple[str, ...]] = [RESTORE_HEADERS, ORGANIZATION_HEADERS, LEAVING_HEADERS]
    assert all(isinstance(name, str) for one in sets for name in one)
    stamped = b"X-ExJournal-Stamp: 1\r\n" + MESSAGE
    assert_type(strip_headers(stamped, RESTORE_HEADERS), bytes)
    assert_type(strip_headers(stamped, ORGANIZATION_HEADERS), bytes)
    assert_type(strip_headers(stamped, LEAVING_HEADERS), bytes)
    lazy: Iterator[str] = iter(["x-exjournal-*"])
    assert strip_headers(memoryview(stamped), lazy) == MESSAGE


def makes_rules() -> RuleSet:
    """Rules take strings, vocabularies or any collection; in a mapping, a string is a collection of one."""
    lazy: Iterator[str] = iter(["bob@example.com", "dave@example.com"])
    organization = Organization(
        ["example.com", "*.corp.example"],
        groups={"staff@example.com": lazy, "legal": ("erin@example.com",)},
        aliases={"ann@example.com": "ann.example@example.com"},
        databases={"DB01": ["bob@example.com"]},
        hosted_domains=("cloud.example",),
        alternate_mailbox="journal-ndr@example.com",
        voice_mail=True,
        subaddresses=True,
    )
    assert_type(organization.domains, tuple[str, ...])
    assert_type(organization.groups, Mapping[str, tuple[str, ...]])
    assert_type(organization.aliases, Mapping[str, tuple[str, ...]])
    assert_type(organization.databases, Mapping[str, tuple[str, ...]])
    assert_type(organization.hosted_domains, tuple[str, ...])
    assert_type(organization.alternate_mailbox, str | None)
    assert_type(organization.voice_mail, bool)
    assert_type(organization.subaddresses, bool)
    assert_type(organization.is_internal("ann@example.com"), bool)
    assert_type(organization.is_hosted("ann@cloud.example"), bool)
    assert_type(organization.key("ann+news@example.com"), str)
    rules = [
        JournalRule("Border", "journal@archive.example", scope=Scope.EXTERNAL),
        JournalRule("Bob", "bob-journal@archive.example", recipient="bob@example.com", enabled=True),
        JournalRule("Two", "two@archive.example", mailboxes=["carol@example.com"], format=ReportFormat.ENVELOPE_2003),
        JournalRule.for_database("One", "one@archive.example", mailboxes="DB01", enabled=False),
    ]
    for rule in rules:
        texts: list[str] = [rule.name, rule.journal_to]
        assert len(texts) == 2
        assert_type(rule.scope, Scope)
        assert_type(rule.recipient, str | None)
        assert_type(rule.mailboxes, str | tuple[str, ...] | None)
        assert_type(rule.enabled, bool)
        assert_type(rule.format, ReportFormat)
    made = RuleSet(
        iter(rules), organization, fork_mixed=False, believe_senders=False, obey_processed=False, only_new=False
    )
    assert_type(made.rules, tuple[JournalRule, ...])
    assert_type(made.organization, Organization)
    assert_type(made.warnings, tuple[str, ...])
    options: list[bool] = [made.fork_mixed, made.believe_senders, made.obey_processed, made.only_new]
    assert not any(options)
    return made


def decides(rules: RuleSet) -> None:
    """A decision has its reports, its reasons and what spoke against it, each of one type."""
    decision = decide(memoryview(MESSAGE), Envelope("ann@example.com", ["bob@example.com"]), rules, secrets=[SECRET])
    assert_type(decision, Decision)
    assert_type(decision.hold, Hold | None)
    assert_type(decision.loops, tuple[Loop, ...])
    assert_type(decision.loop, Loop | None)
    assert_type(decision.sender_sides, tuple[str, ...])
    assert_type(decision.recipient_sides, tuple[str, ...])
    assert decision.explain() == tuple(sorted([*decision.matches, *decision.skipped], key=lambda one: one.rule))
    assert_type(decision.envelope, Envelope)
    assert_type(decision.rules, RuleSet)
    assert_type(decision.to_dict(), dict[str, object])
    for planned in decision.reports:
        assert_type(planned.journal_to, str)
        assert_type(planned.envelope, Envelope)
        assert_type(planned.format, ReportFormat)
        assert_type(planned.rules, tuple[str, ...])
    for one in decision.explain():
        assert_type(one.rule, str)
        assert_type(one.journal_to, str)
        reasons: list[str] = [one.reason]
        assert reasons[0] in str(one.to_dict())
        assert_type(one.scope, Scope)
        assert_type(one.matched, bool)
        assert_type(one.to_dict(), dict[str, object])
        for match in one.matches:
            assert_type(match.address, str)
            place: str = match.place
            assert place in ("recipient", "mail-from", "from")
            assert_type(match.member_of, str | None)
            assert_type(match.holds, str | None)
    assert [one.rule for one in decision.matches] == ["Bob", "Border"]


def detects_loops() -> None:
    """A loop names its header; a hold its reason."""
    loop = detect_loop(b"X-MS-Journal-Report:\r\n" + MESSAGE, secrets=iter([SECRET]))
    assert_type(loop, Loop | None)
    assert loop is not None
    reason: str = loop.reason
    assert reason == "report"
    assert_type(loop.header, str)
    assert_type(loop.forgeable, bool)
    hold = Hold(HoldReason.HOP_LIMIT)
    assert_type(hold.reason, HoldReason)
    assert_type(hold.detail, str)


def journals(rules: RuleSet) -> None:
    """An agent gives deliveries and header fields; the caller sends."""
    agent = JournalAgent(
        rules,
        domain="example.com",
        secrets=[SECRET],
        hold_undeliverable=False,
        size_limit=1 << 20,
        write_processed=False,
        eight_bit=False,
    )
    assert_type(agent.rules, RuleSet)
    assert_type(agent.domain, str)
    assert_type(agent.secrets, tuple[bytes, ...])
    assert_type(agent.hold_undeliverable, bool)
    assert_type(agent.size_limit, int | None)
    assert_type(agent.write_processed, bool)
    assert_type(agent.eight_bit, bool)
    outcome = agent.process(MESSAGE, Envelope("ann@example.com", ["bob@example.net"]), received=DATE)
    assert_type(outcome, Outcome)
    assert_type(outcome.decision, Decision)
    assert_type(outcome.deliveries, tuple[Delivery, ...])
    assert_type(outcome.header_fields, tuple[tuple[str, str], ...])
    assert_type(outcome.hold, Hold | None)
    assert_type(outcome.message(), bytes)
    for delivery in outcome.deliveries:
        assert_type(delivery.mail_from, str)
        assert_type(delivery.rcpt_to, str)
        assert_type(delivery.content, bytes)
        assert_type(delivery.body, Body)
        assert_type(delivery.smtputf8, bool)
        assert_type(delivery.size, int)
        assert_type(delivery.too_large, bool)
        assert verify_seal(delivery.content, secrets=agent.secrets) is Seal.VALID


def loads() -> None:
    """Files are named by strings or paths."""
    with tempfile.TemporaryDirectory() as folder:
        key, file = Path(folder, "journal.key"), Path(folder, "journal.toml")
        key.write_bytes(SECRET + b"\n")
        file.write_text(
            '[organization]\ndomains = ["example.com"]\n'
            '[agent]\ndomain = "example.com"\nhold_undeliverable = true\nsecret_files = ["journal.key"]\n',
            encoding="utf-8",
        )
        assert_type(load_secret(key), bytes)
        config = load_config(str(file))
    assert_type(config.rules, RuleSet)
    assert_type(config.agent, JournalAgent | None)
    assert_type(config.secrets, tuple[bytes, ...])
    assert config.secrets == (SECRET,)


def compares_addresses() -> None:
    """Keys are text, the comparison is a truth."""
    assert_type(address_key("Ann@EXAMPLE.com"), str)
    assert_type(mailbox_key("Ann@EXAMPLE.com"), str)


def names() -> list[str]:
    """Members of the vocabularies are strings."""
    decided = [*Scope, *HoldReason, *Seal, *Body, *Sighting]
    return [*Role, *ReportFormat, *PartKind, *Evidence, *MessageKind, *DefectCode, *decided]


def code_of(error: JournalError) -> str:
    """Errors differ by their class, and each names its subject."""
    match error:
        case ParseError():
            assert_type(error.code, DefectCode)
            assert_type(error.detail, str)
            assert_type(error.offset, int)
            return error.code
        case BuildError() | InvalidValue():
            assert_type(error.field, str)
            assert_type(error.reason, str)
            return error.field
        case StoreError():
            return "store"
        case _:
            return ""


def refusals() -> list[str]:
    """Every error of the library has one base."""
    report = JournalReport(sender="", recipients=["bob@example.net"])
    attempts: list[Callable[[], object]] = [
        lambda: parse_report(MESSAGE),
        lambda: build_report(report, MESSAGE),
        lambda: Recipient(""),
        lambda: SqliteStore(Path(__file__).parent),
    ]
    found: list[str] = []
    for attempt in attempts:
        try:
            attempt()
        except JournalError as error:
            assert_type(error, JournalError)
            found.append(code_of(error))
    return found


def oddities(data: bytes) -> list[tuple[DefectCode, str, int]]:
    """Defects carry a code, a detail and an offset, and can be made by hand to compare with."""
    assert Defect(DefectCode.PREAMBLE) == Defect(DefectCode.PREAMBLE, "", 0)
    return [(defect.code, defect.detail, defect.offset) for defect in parse_report(data).defects]


def refused_by_the_checker(report: JournalReport, part: Part) -> None:
    """What mypy must not let pass; never run."""
    parse_report("text")  # type: ignore[arg-type]
    parse_report(data=MESSAGE)  # type: ignore[call-arg]
    detect_format(None)  # type: ignore[arg-type]
    build_report(report, MESSAGE, "example.com")  # type: ignore[call-arg]
    report_for(MESSAGE, ["bob@example.net"])  # type: ignore[arg-type]
    Recipient("bob@example.net", Role.TO, "staff@example.com")  # type: ignore[call-arg]
    Recipient("bob@example.net", "to")  # type: ignore[arg-type]
    parse_report(MESSAGE, format="eml")  # type: ignore[arg-type]
    read_archive("mail", mbox="maildir")  # type: ignore[arg-type]
    Envelope("ann@example.com", [b"bob@example.net"])  # type: ignore[list-item]
    JournalReport("ann@example.com", [])  # type: ignore[call-arg]
    unwrap_undeliverable("text")  # type: ignore[arg-type]
    strip_headers(MESSAGE)  # type: ignore[call-arg]
    message_kind(None)  # type: ignore[arg-type]
    decide(MESSAGE, ["bob@example.net"], [])  # type: ignore[arg-type]
    detect_loop(MESSAGE, [SECRET])  # type: ignore[call-arg]
    verify_seal(MESSAGE)  # type: ignore[call-arg]
    verify_seal(MESSAGE, secrets=["text"])  # type: ignore[list-item]
    JournalRule("All", "journal@archive.example", Scope.GLOBAL)  # type: ignore[call-arg]
    JournalAgent(RuleSet([], Organization([])))  # type: ignore[call-arg]
    identify(MESSAGE)  # type: ignore[arg-type]
    look_up(identify(parse_report(MESSAGE)), set())  # type: ignore[arg-type]
    merge([MESSAGE])  # type: ignore[list-item]
    read_archive(MESSAGE)  # type: ignore[arg-type]
    map_archive("mail", archived)  # type: ignore[arg-type]
    read_source("mail")  # type: ignore[arg-type]
    SqliteStore("seen.db", False)  # type: ignore[call-arg]
    report.subject = "another"  # type: ignore[misc]
    part.offset += 1  # type: ignore[misc]


def main() -> None:
    """Run all of it."""
    data = writes()
    parsed = parse_report(data)
    reads(data)
    reads_what_it_says(parsed.report)
    reads_parts(parsed.parts)
    reads_headers(parsed)
    reads_in_place(data)
    copies()
    names_values()
    rescues(data)
    remembers(data)
    reads_archives(data)
    merges(data)
    takes_fields_out()
    rules = makes_rules()
    decides(rules)
    detects_loops()
    journals(rules)
    loads()
    compares_addresses()
    assert "envelope" in names()
    assert refusals() == ["not-a-report", "domain", "address", "store"]
    assert oddities(data) == []
    assert parse_report(says_by_hand()).original is None
