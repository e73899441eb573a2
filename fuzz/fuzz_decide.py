"""Any message has an outcome; from an untrusted path no header of it takes a report away; a stamped message is not journaled twice.

An input is a line with the envelope and then the message; the line holds, between tabs, a letter of options, MAIL FROM and each
recipient. Run it as `python fuzz/fuzz_decide.py -max_total_time=60`; arguments go to libFuzzer.
"""  # noqa: E501

import sys
from datetime import UTC, datetime

import atheris

with atheris.instrument_imports(include=["exjournal"]):
    from exjournal import (
        Envelope,
        InvalidValue,
        JournalAgent,
        JournalRule,
        Organization,
        ReportFormat,
        RuleSet,
        Scope,
        Seal,
        decide,
        verify_seal,
    )
    from exjournal.limits import FIELD_LIMIT

import clock
import seeds

_DATE = datetime(2026, 1, 1, tzinfo=UTC)
_AUTHENTICATED, _TRUSTED = 1, 2
_SECRET = b"a secret of this harness"
_RULES = RuleSet(
    [
        JournalRule("all", "journal@archive.example"),
        JournalRule("outside", "outside@archive.example", scope=Scope.EXTERNAL),
        JournalRule("inside", "inside@archive.example", scope=Scope.INTERNAL, format=ReportFormat.ENVELOPE_2003),
        JournalRule("staff", "staff@archive.example", recipient="staff@example.com"),
    ],
    Organization(
        ["example.com"],
        groups={"staff@example.com": ["bob@example.com", "carol@example.com"]},
        alternate_mailbox="journal-ndr@example.com",
    ),
)
_AGENT = JournalAgent(_RULES, domain="example.com", secrets=[_SECRET])


def test_one_input(data: bytes) -> None:
    """Check the invariant of the decision, the outcome and the second pass."""
    line, _, message = data.partition(b"\n")
    options, *addresses = line.decode("utf-8", "replace").split("\t")
    flags = ord(options[:1] or "\0")
    sender, *named = [address.partition(">")[0] for address in addresses] or [""]
    try:
        envelope = Envelope(
            sender, named, authenticated=bool(flags & _AUTHENTICATED), trusted_path=bool(flags & _TRUSTED)
        )
    except InvalidValue:
        return
    outcome = _AGENT.process(message, envelope, received=_DATE)
    decision = outcome.decision
    assert len(decision.explain()) == len(_RULES.rules)
    assert decision.hold is None or outcome.hold is not None
    if not envelope.trusted_path and not any(
        one.reason in ("seal", "stamp") and not one.forgeable for one in decision.loops
    ):
        # A header can add senders, but take none away.
        asked = {one.journal_to for one in decide(b"", envelope, _RULES).reports}
        if envelope.sender:
            assert asked <= {one.journal_to for one in decision.reports}, (asked, decision.explain())
    if outcome.hold is not None:
        assert not outcome.deliveries
        return
    for delivery in outcome.deliveries:
        assert verify_seal(delivery.content, secrets=[_SECRET]) is Seal.VALID
        assert not decide(delivery.content, envelope, _RULES, secrets=[_SECRET]).reports
    stamped = outcome.message()
    added = len(stamped) - len(message)
    place = stamped.find(f"{outcome.header_fields[0][0]}: {outcome.header_fields[0][1][:40]}".encode()) if added else 0
    assert stamped[:place] + stamped[place + added :] == message
    # A stamp does not cover a header with more fields than are read, so the next hop journals again.
    if outcome.header_fields and message.count(b":") < FIELD_LIMIT:
        assert not _AGENT.process(stamped, envelope, received=_DATE).deliveries


def main() -> None:
    """Fuzz, starting from the messages of the tests and of the writer."""
    with seeds.folder(seeds.messages()) as folder:
        arguments = seeds.arguments(sys.argv, folder)
        atheris.Setup(arguments, clock.timed(test_one_input, arguments), custom_mutator=clock.repeated)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
