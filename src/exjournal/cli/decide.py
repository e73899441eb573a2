"""The verb `decide`: which reports the rules of a file require for a message, and why."""

import argparse
import json
from typing import Final

from exjournal import Decision, Envelope, InvalidValue, JournalAgent, RuleSet, decide, load_config
from exjournal.cli.output import (
    FINE,
    FOUND,
    option_error,
    printable,
    put_line,
    read,
    report_os_error,
    shown,
    usage_error,
)
from exjournal.cli.secrets import add_secret_files, secrets_of
from exjournal.cli.usage import Verbs, add_verb

_DESCRIPTION: Final = """\
Show which journal rules match a message and its envelope, which reports they require, and for every rule why it matches or
not. Builds and sends nothing."""

# The options for the fields of an envelope.
_OPTIONS: Final = {"sender": "--from", "recipients": "--to", "address": "--to"}


def add(verbs: Verbs) -> None:
    """Add the verb to the command."""
    parser = add_verb(
        verbs,
        "decide",
        "show which journal rules match a message, and why",
        description=_DESCRIPTION,
        example="message.eml --rules journal.toml --from ann@example.com --to bob@example.com",
        page="docs/how-to/rules.md",
    )
    option = parser.add_argument
    option("message", nargs="?", metavar="MESSAGE", help="the message (default: -, standard input)")
    option("--rules", required=True, metavar="TOML", help="the file with rules, organization and agent")
    option("--from", dest="sender", metavar="ADDRESS", help="MAIL FROM; <> for the null sender")
    option("--to", action="append", default=[], metavar="ADDRESS", help="RCPT TO; may be repeated")
    option("--authenticated", action="store_true", help="a client logged in to submit the message")
    option("--trusted-path", action="store_true", help="the message comes from one of your own servers")
    option(
        "--check-config",
        action="store_true",
        help="only check the file of rules and show its warnings; needs neither message nor envelope",
    )
    add_secret_files(parser, "to verify seals and stamps, in addition to those of the file of rules")
    option("--json", action="store_true", help="write one line of JSON")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        config = load_config(options.rules)
    except InvalidValue as error:
        where = f"{options.rules}: {error.field}: " if error.field else f"{options.rules}: "
        return usage_error(where + error.reason)
    except OSError as error:
        return report_os_error(options.rules, error)
    if options.check_config:
        return _check(options, config.rules, config.agent)
    if options.sender is None or not options.to:
        return usage_error("--from and --to are required: decisions depend on the envelope")
    try:
        sender = "" if options.sender == "<>" else options.sender
        envelope = Envelope(sender, options.to, authenticated=options.authenticated, trusted_path=options.trusted_path)
    except InvalidValue as error:
        return option_error(error, _OPTIONS)
    secrets = secrets_of(options)
    if isinstance(secrets, int):
        return secrets
    name = "-" if options.message is None else options.message
    try:
        message = read(name)
    except OSError as error:
        return report_os_error(name, error)
    decision = decide(message, envelope, config.rules, secrets=[*config.secrets, *secrets])
    if options.json:
        put_line(json.dumps({"file": shown(name), **decision.to_dict(), "escaped": shown(name) != name}))
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
        file = shown(options.rules)
        put_line(json.dumps({"file": file, **counts, "warnings": warnings, "escaped": file != options.rules}))
    else:
        sizes = ", ".join([f"{name.replace('_', ' ')} {count}" for name, count in counts.items()])
        put_line(f"{printable(options.rules)}: {sizes}")
        for warning in warnings:
            put_line(f"  {printable(warning)}")
    return FOUND if warnings else FINE


def _warnings(rules: RuleSet, agent: JournalAgent | None) -> list[str]:
    warnings = []
    if not rules.organization.domains:
        warnings.append("organization.domains: is empty, so every address is outside")
    if rules.organization.alternate_mailbox is None and not (agent and agent.hold_undeliverable):
        warnings.append("organization.alternate_mailbox: is missing, so a refused report has nowhere to go")
    if agent and not agent.secrets:
        warnings.append("agent.secret_files: is empty, so no stamp is written and a second pass journals again")
    return warnings


def _view(name: str, decision: Decision) -> str:
    """Format a decision for people: hold, signs of earlier journaling, sides, reports, and every rule."""
    lines = [printable(name)]
    if decision.hold is not None:
        lines.append(f"  hold          {decision.hold.reason} {printable(decision.hold.detail)}".rstrip())
    for loop in decision.loops:
        who = "anybody can write it" if loop.forgeable else "verified"
        lines.append(f"  bears         {' '.join(filter(None, (loop.reason, printable(loop.header))))} ({who})")
    sides = [
        f"{who} {' and '.join(of_these) or 'nowhere'}"
        for who, of_these in (("sender", decision.sender_sides), ("recipients", decision.recipient_sides))
    ]
    lines.append(f"  sides         {', '.join(sides)}")
    lines.append(f"  reports       {len(decision.reports) or 'none'}")
    for planned in decision.reports:
        recipients, total = len(planned.envelope.recipients), len(decision.envelope.recipients)
        rules = ", ".join(planned.rules)
        row = f"{planned.journal_to}  {planned.format}, {recipients} of {total} recipients, by {rules}"
        lines.append(f"    {printable(row)}")
    lines.append("  rules")
    explanations = decision.explain()
    width = max([len(printable(explanation.rule)) for explanation in explanations], default=0)
    for explanation in explanations:
        words = str(explanation).removeprefix(f"{explanation.rule}: ")
        lines.append(f"    {printable(explanation.rule):<{width}}  {printable(words)}")
    return "\n".join(lines)
