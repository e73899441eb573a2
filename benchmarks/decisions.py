"""Deciding by many rules, against reading one report; sealing, against one pass of SHA-256."""

import hashlib
import random
from collections.abc import Iterator

from measure import MB, Claim, Effort, Row, at_most, in_turn, microseconds, shown, size_text
from messages import message, samples

from exjournal import (
    Envelope,
    JournalAgent,
    JournalRule,
    Organization,
    RuleSet,
    Scope,
    build_report,
    decide,
    parse_report,
    report_for,
    verify_seal,
)

_SECRET = b"a secret of this benchmark"
_MAILBOXES = tuple([f"user{number}@example.com" for number in range(20_000)])
_SCOPES = tuple(Scope)


def claims(effort: Effort) -> Iterator[Claim]:
    """Yield three tables: one decision, its growth with recipients and rules, and the keyed digests."""
    yield Claim("A decision on 500 recipients costs as much as reading some small reports", tuple(_decisions(effort)))
    yield Claim("A decision grows with the recipients, and hardly with the rules", tuple(_growth(effort)))
    yield Claim("Sealing costs little more than hashing", tuple(_seals(effort)))


def _decisions(effort: Effort) -> Iterator[Row]:
    small = _message(0)
    reports = samples(8, 2 << 10)
    envelopes = [_envelope(number, 500) for number in range(8)]
    for journal_mailboxes, bound in ((20, 20), (1000, None)):
        rules = _rules(1000, journal_mailboxes)
        works = {
            "decide": lambda number, rules=rules: decide(small, envelopes[number], rules).reports,
            "read": lambda number: parse_report(reports[number].data),
        }
        times = in_turn(works, range(8), effort)
        ratio = times["decide"] / times["read"]
        case = f"500 recipients, 1000 rules on groups of 10 000, {journal_mailboxes} journal mailboxes, to reading 2 KB"
        note = microseconds(**times)
        yield shown(case, ratio, note) if bound is None else at_most(case, ratio, bound, note)


def _growth(effort: Effort) -> Iterator[Row]:
    small = _message(0)
    many, few = _rules(1000, 20), _rules(10, 10)
    envelopes = {size: [_envelope(number, size) for number in range(4)] for size in (500, 5000)}
    works = {
        "base": lambda number: decide(small, envelopes[500][number], many),
        "recipients": lambda number: decide(small, envelopes[5000][number], many),
        "rules": lambda number: decide(small, envelopes[500][number], few),
    }
    times = in_turn(works, range(4), effort)
    yield at_most("5000 recipients to 500", times["recipients"] / times["base"], 12, microseconds(**times))
    yield at_most("1000 rules to 10", times["base"] / times["rules"], 3)


def _seals(effort: Effort) -> Iterator[Row]:
    envelope = Envelope("ann@example.com", ["bob@example.com"])
    agent = JournalAgent(_rules(1, 1, recipient=False), domain="example.com", secrets=[_SECRET])

    def verify(data: bytes) -> object:
        return verify_seal(data, secrets=[_SECRET])

    def process(data: bytes) -> object:
        return agent.process(data, envelope)

    for size, bound in ((62 << 10, None), (25 * MB, 2.5)):
        original = _message(size)
        sealed = build_report(report_for(original, envelope), original, domain="example.com", secret=_SECRET)
        for case, work, data in (
            ("verify a seal", verify, sealed),
            ("decide, build, seal and stamp", process, original),
        ):
            times = in_turn({"exjournal": work, "sha256": _sha256}, [data], effort)
            ratio, note = times["exjournal"] / times["sha256"], microseconds(**times)
            row = f"{size_text(size)}, {case}"
            yield at_most(row, ratio, bound, note) if bound and work is verify else shown(row, ratio, note)


def _sha256(data: bytes) -> object:
    return hashlib.sha256(data).digest()


def _rules(count: int, journal_mailboxes: int, *, recipient: bool = True) -> RuleSet:
    rng = random.Random(count)
    groups = {f"group{number}@example.com": rng.sample(_MAILBOXES, 10_000) for number in range(30 if recipient else 0)}
    organization = Organization(["example.com"], groups=groups, alternate_mailbox="journal-ndr@example.com")
    rules = [
        JournalRule(
            f"rule {number}",
            f"journal{number % journal_mailboxes}@archive.example",
            scope=_SCOPES[number % len(_SCOPES)] if recipient else Scope.GLOBAL,
            recipient=f"group{number % 30}@example.com" if recipient else None,
        )
        for number in range(count)
    ]
    return RuleSet(rules, organization)


def _envelope(number: int, recipients: int) -> Envelope:
    rng = random.Random(number)
    inside = rng.sample(_MAILBOXES, recipients - 1)
    return Envelope("user1@example.com", [*inside, "partner@example.org"], authenticated=True)


def _message(size: int) -> bytes:
    return message(random.Random(size), size, "user2@example.com", "Figures", "<figures@example.com>", 12)
