"""The verb `build`: a report round a message, with the recipients that the command line names.

The roles of recipients are the caller's own word, never what the message claims in its header.
"""

import argparse
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from exjournal import (
    BuildError,
    Envelope,
    InvalidValue,
    JournalReport,
    Recipient,
    ReportFormat,
    Role,
    address_key,
    build_report,
    mailbox_key,
    report_for,
)
from exjournal.cli.output import FINE, put, read, unreadable, usage, write
from exjournal.cli.secrets import add_secret_files, secrets_of

_EXPLICIT_ENVELOPE: Final = """\
Send the report only with an explicit SMTP envelope: RCPT TO the journal mailbox, MAIL FROM the
alternate journaling mailbox. Its To, Cc and From are those of the original, so anything that reads
recipients off the header (sendmail -t, smtplib's send_message, a pickup folder) sends the report, with
its list of Bcc recipients, to the people the original was addressed to."""

# A local part may hold an equals sign, and in quotes anything; a domain may not.
_MEMBER_OF = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^"@])*@[^=]*|[^=]*)=(.+)')


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb to the command."""
    parser = verbs.add_parser(
        "build",
        help="write a report round a message",
        description="Write a journal report round a message.",
        epilog=_EXPLICIT_ENVELOPE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = parser.add_argument
    option(
        "message", nargs="?", default="-", metavar="MESSAGE", help="the original; standard input without it, or for -"
    )
    option(
        "--format",
        choices=list(map(str, ReportFormat)),
        default=str(ReportFormat.ENVELOPE),
        help="what to write; envelope without it",
    )
    option(
        "--domain", help="domain of the system sender, the organisation's default domain; the envelope format needs it"
    )
    option("--sender", metavar="ADDRESS", help="MAIL FROM of the original, <> for the null sender; unknown without it")
    for role, meaning in (
        ("to", "a recipient that a trusted client addressed in To"),
        ("cc", "the same in Cc"),
        ("bcc", "the same in Bcc"),
        ("recipient", "a recipient of whom nothing more is known"),
    ):
        option(f"--{role}", action="append", default=[], metavar="ADDRESS", help=f"{meaning}; may be repeated")
    option(
        "--expanded",
        action="append",
        default=[],
        metavar="MEMBER=LIST",
        help="a recipient reached by expanding a distribution list; takes the list's role where that is given; may be repeated",
    )
    option("--decrypted", metavar="FILE", help="the readable copy of a rights-protected message")
    option("--internal", action="store_true", help="for the organisation's own transport: its marker and MustDeliver")
    option(
        "--correct-marker", action="store_true", help="spell the marker of envelope-2003 right; Exchange 2003 did not"
    )
    option("--bcc-all", action="store_true", help="name every recipient in the Bcc field of the bcc format")
    option(
        "--eight-bit",
        action="store_true",
        help="write a report text that is not ASCII as it is, for a mail server that offers 8BITMIME; else quoted-printable",
    )
    add_secret_files(parser, "by the first of which the report is sealed")
    option("--report-id", metavar="ID", help="the report's own Message-ID, in angle brackets; derived without it")
    option("--date", metavar="ISO", help="when the report was made, with a time zone; now without it")
    option("--out", default="-", metavar="FILE", help="where the report goes; standard output without it, or for -")
    option("--force", action="store_true", help="overwrite FILE where it is there")
    parser.set_defaults(run=_build)


def _build(options: argparse.Namespace) -> int:
    if options.format == ReportFormat.ENVELOPE and options.domain is None:
        return usage("domain: is required: the domain of the system sender")
    if options.message == options.decrypted == "-":
        return usage("decrypted: standard input is the message already")
    try:
        recipients = _recipients(options)
        # Only a client that logged in can have said what is To, Cc and Bcc.
        trusted = bool(options.to or options.cc or options.bcc)
        sender = "" if options.sender in (None, "<>") else options.sender
        # The message-only format names nobody, so nobody need be named for it.
        is_nobody = not recipients and options.format == ReportFormat.MESSAGE_ONLY
        envelope = None if is_nobody else Envelope(sender, recipients, authenticated=trusted)
        date = None if options.date is None else datetime.fromisoformat(options.date)
    except InvalidValue as error:
        return usage(str(error))
    except ValueError:
        return usage("date: is no ISO 8601 date")
    secrets = secrets_of(options)
    if isinstance(secrets, int):
        return secrets
    contents = []
    for name in (options.message, options.decrypted):
        try:
            contents.append(None if name is None else read(name))
        except OSError as error:
            return unreadable(name, error)
    original, decrypted = contents
    if envelope is None:
        report = JournalReport(sender=sender, recipients=())
    else:
        # The roles are the caller's own, not those that the message claims.
        report = replace(report_for(original or b"", envelope), recipients=tuple(recipients))
    if options.sender is None:
        report = replace(report, envelope_sender=None)
    try:
        data = build_report(
            report,
            original,
            domain=options.domain,
            format=ReportFormat(options.format),
            decrypted=decrypted,
            date=date,
            report_id=options.report_id,
            internal=options.internal,
            correct_marker=options.correct_marker,
            bcc_all=options.bcc_all,
            eight_bit=options.eight_bit,
            secret=secrets[0] if secrets else None,
        )
    except BuildError as error:
        return usage(str(error))
    if options.out == "-":
        put(data)
        return FINE
    return write(Path(options.out), data, force=options.force)


def _recipients(options: argparse.Namespace) -> list[Recipient]:
    """The recipients of the command line; lists that were expanded give way to their members, who take the list's role."""
    given: dict[str, Recipient] = {}
    for role in Role:
        for address in getattr(options, role.lower()):
            given.setdefault(address_key(address), Recipient(address, role))
    pairs: list[tuple[str, str]] = []
    for pair in options.expanded:
        found = _MEMBER_OF.fullmatch(pair)
        if found is None:
            raise InvalidValue("expanded", "is not of the form MEMBER=LIST")
        if found.groups() not in pairs:
            pairs.append((found[1], found[2]))
    # Which list a mailbox was reached through first, and the role that each mailbox was given.
    through = {mailbox_key(member): mailbox_key(name) for member, name in reversed(pairs)}
    roles = {mailbox_key(recipient.address): recipient.role for recipient in reversed(given.values())}
    members = []
    for member, name in pairs:
        key: str | None = mailbox_key(member)
        seen: set[str] = set()
        while key is not None and key not in roles and key not in seen:
            seen.add(key)
            key = through.get(key)
        members.append(Recipient(member, roles.get(key or "", Role.RECIPIENT), expanded_from=name))
    gone = {mailbox_key(name) for member, name in pairs if mailbox_key(member) != mailbox_key(name)}
    reached = gone | through.keys()
    return [one for one in given.values() if mailbox_key(one.address) not in reached] + [
        one for one in members if mailbox_key(one.address) not in gone
    ]
