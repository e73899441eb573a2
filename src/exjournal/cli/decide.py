"""The verb decide: what becomes of a message under rules from a file, and why."""

import argparse
import json
from typing import Final

from exjournal import Decision, Envelope, InvalidValue, JournalAgent, RuleSet, decide, load_config
from exjournal.cli.output import FINE, FOUND, put_line, read, shown, unreadable, usage
from exjournal.cli.secrets import add_secret_files, secrets_of

_DESCRIPTION: Final = """\
Tell which journal rules a message sets off under its envelope, which reports they ask for, and for every
rule why it fires or does not. Nothing is built or sent."""


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the verb."""
    parser = verbs.add_parser(
        "decide",
        help="tell which journal rules a message sets off, and why",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = parser.add_argument
    option("message", nargs="?", metavar="MESSAGE", help="the message; standard input without it, or for -")
    option("--rules", required=True, metavar="TOML", help="rules, organisation and agent")
    option("--from", dest="sender", metavar="ADDRESS", help="MAIL FROM, <> for the null sender")
    option("--to", action="append", default=[], metavar="ADDRESS", help="RCPT TO; may be repeated")
    option("--authenticated", action="store_true", help="a client logged in to submit the message")
    option("--trusted-path", action="store_true", help="the message comes from one of our own servers")
    option(
        "--check-config",
        action="store_true",
        help="look at the file of rules only, and tell what is odd about it; the message and its envelope are not asked for",
    )
    add_secret_files(parser, "by which seals and stamps are verified, beside those of the file of rules")
    option("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        config = load_config(options.rules)
    except InvalidValue as error:
        where = f"{options.rules}: {error.field}: " if error.field else f"{options.rules}: "
        return usage(where + error.reason)
    except OSError as error:
        return unreadable(options.rules, error)
    if options.check_config:
        return _check(options, config.rules, config.agent)
    if options.sender is None or not options.to:
        return usage("--from and --to: are required: the envelope decides")
    try:
        sender = "" if options.sender == "<>" else options.sender
        envelope = Envelope(sender, options.to, authenticated=options.authenticated, trusted_path=options.trusted_path)
    except InvalidValue as error:
        return usage(str(error))
    secrets = secrets_of(options)
    if isinstance(secrets, int):
        return secrets
    name = "-" if options.message is None else options.message
    try:
        message = read(name)
    except OSError as error:
        return unreadable(name, error)
    decision = decide(message, envelope, config.rules, secrets=[*config.secrets, *secrets])
    if options.json:
        put_line(json.dumps({"file": name, **decision.to_dict()}))
    else:
        put_line(_view(name, decision))
    return FINE if decision.hold is None else FOUND


def _check(options: argparse.Namespace, rules: RuleSet, agent: JournalAgent | None) -> int:
    """Show the size of a configuration, and what in it is allowed but probably a mistake."""
    enabled = [rule for rule in rules.rules if rule.enabled]
    counts = {
        "rules": len(rules.rules),
        "enabled": len(enabled),
        "journal_mailboxes": len({rules.organization.key(rule.journal_to) for rule in enabled}),
        "groups": len(rules.organization.groups),
        "secrets": len(agent.secrets) if agent else 0,
    }
    warnings = [*rules.warnings, *_warnings(rules, agent)]
    if options.json:
        put_line(json.dumps({"file": options.rules, **counts, "warnings": warnings}))
    else:
        sizes = ", ".join([f"{name.replace('_', ' ')} {count}" for name, count in counts.items()])
        put_line(f"{shown(options.rules)}: {sizes}")
        for warning in warnings:
            put_line(f"  {shown(warning)}")
    return FOUND if warnings else FINE


def _warnings(rules: RuleSet, agent: JournalAgent | None) -> list[str]:
    warnings = []
    if not rules.organization.domains:
        warnings.append("organization.domains: is empty: everybody is outside")
    if rules.organization.alternate_mailbox is None and not (agent and agent.hold_undeliverable):
        warnings.append("organization.alternate_mailbox: is missing: a report that is refused has nowhere to go")
    if agent and not agent.secrets:
        warnings.append("agent.secret_files: is empty: no stamp is written, and a second pass journals again")
    return warnings


def _view(name: str, decision: Decision) -> str:
    lines = [shown(name)]
    if decision.hold is not None:
        lines.append(f"  hold          {decision.hold.reason} {shown(decision.hold.detail)}".rstrip())
    for loop in decision.loops:
        who = "anybody can write it" if loop.forgeable else "verified"
        lines.append(f"  bears         {' '.join(filter(None, (loop.reason, shown(loop.header))))} ({who})")
    ends = [f"{who} {' and '.join(sides) or 'nowhere'}" for who, sides in _ends(decision)]
    lines.append(f"  sides         {', '.join(ends)}")
    lines.append(f"  reports       {len(decision.reports) or 'none'}")
    for planned in decision.reports:
        recipients, total = len(planned.envelope.recipients), len(decision.envelope.recipients)
        told = (
            f"{planned.journal_to}  {planned.format}, {recipients} of {total} recipients, by {', '.join(planned.rules)}"
        )
        lines.append(f"    {shown(told)}")
    lines.append("  rules")
    explanations = decision.explain()
    width = max([len(shown(one.rule)) for one in explanations], default=0)
    for explanation in explanations:
        words = str(explanation).removeprefix(f"{explanation.rule}: ")
        lines.append(f"    {shown(explanation.rule):<{width}}  {shown(words)}")
    return "\n".join(lines)


def _ends(decision: Decision) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("sender", decision.sender_sides), ("recipients", decision.recipient_sides)
