"""The verb `build`: a report on a message, with the recipients that the command line names.

The roles of recipients come from the command line, never from the header of the message.
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
from exjournal.cli.output import FINE, option_error, put, read, report_os_error, usage_error, write
from exjournal.cli.secrets import add_secret_files, secrets_of
from exjournal.cli.usage import Verbs, add_verb

_EXPLICIT_ENVELOPE: Final = """\
Send the report only with an explicit SMTP envelope: RCPT TO the journal mailbox, MAIL FROM the alternate journaling mailbox.
Its To, Cc and From are those of the original, so anything that takes recipients from the header (sendmail -t, smtplib's
send_message, a pickup folder) sends the report, with its list of Bcc recipients, to the recipients of the original."""

_ENVELOPES: Final = (ReportFormat.ENVELOPE, ReportFormat.ENVELOPE_2003)
# The formats that an option needs.
_NEEDS: Final = {
    "internal": (ReportFormat.ENVELOPE,),
    "decrypted": (ReportFormat.ENVELOPE,),
    "correct_marker": (ReportFormat.ENVELOPE_2003,),
    "bcc_all": (ReportFormat.BCC,),
    "eight_bit": _ENVELOPES,
    "secret_file": _ENVELOPES,
}
# How the command line names the fields of a report and the arguments of build_report().
_OPTIONS: Final = {
    "original": "MESSAGE",
    "secret": "--secret-file",
    "recipients": "recipients",
}

# The equals sign after a domain, which has none itself; a local part may contain one, and in quotes anything.
_MEMBER_OF = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^"@])*@[^=]*|[^=]*)=(.+)')


def add(verbs: Verbs) -> None:
    """Add the verb to the command."""
    parser = add_verb(
        verbs,
        "build",
        "write a journal report that contains a message",
        example="message.eml --domain example.com --sender ann@example.com --to bob@example.com --out report.eml",
        notes=_EXPLICIT_ENVELOPE,
        page="docs/how-to/building.md",
    )
    option = parser.add_argument
    option("message", nargs="?", default="-", metavar="MESSAGE", help="the original (default: -, standard input)")
    option(
        "--format",
        choices=list(map(str, ReportFormat)),
        default=str(ReportFormat.ENVELOPE),
        help="the format of the report (default: %(default)s)",
    )
    option("--domain", help="the organization's default domain, for the system sender; required by --format envelope")
    option("--sender", metavar="ADDRESS", help="MAIL FROM of the original, <> for the null sender (default: unknown)")
    for role, meaning in (
        ("to", "a recipient that an authenticated client addressed in To"),
        ("cc", "a recipient in Cc, likewise"),
        ("bcc", "a recipient in Bcc, likewise"),
        ("recipient", "a recipient whose field is unknown"),
    ):
        option(f"--{role}", action="append", default=[], metavar="ADDRESS", help=f"{meaning}; may be repeated")
    option(
        "--expanded",
        action="append",
        default=[],
        metavar="MEMBER=LIST",
        help="a recipient reached through a distribution list, with the role of the list if that is given; may be repeated",
    )
    option("--decrypted", metavar="FILE", help="the readable copy of a rights-protected message")
    option(
        "--internal",
        action="store_true",
        help="write the marker and MustDeliver of the organization's own transport",
    )
    option(
        "--correct-marker",
        action="store_true",
        help="spell the marker of envelope-2003 correctly, unlike Exchange 2003",
    )
    option("--bcc-all", action="store_true", help="list every recipient in the Bcc field of the bcc format")
    option(
        "--eight-bit",
        action="store_true",
        help="write a report text that is not ASCII as 8bit, for a mail server with 8BITMIME, instead of quoted-printable",
    )
    add_secret_files(parser, "to seal the report; the first one counts")
    option(
        "--report-id",
        metavar="ID",
        help="the report's own Message-ID, in angle brackets (default: derived)",
    )
    option("--date", metavar="ISO", help="when the report was made, with a time zone (default: now)")
    option("--out", default="-", metavar="FILE", help="where to write the report (default: -, standard output)")
    option("--force", action="store_true", help="overwrite an existing FILE")
    parser.set_defaults(run=_build)


def _build(options: argparse.Namespace) -> int:
    for name, formats in _NEEDS.items():
        if getattr(options, name) and options.format not in formats:
            return usage_error(f"--{name.replace('_', '-')} needs --format {' or '.join(formats)}")
    if options.format == ReportFormat.ENVELOPE and options.domain is None:
        return usage_error("--domain is required with --format envelope")
    if options.message == options.decrypted == "-":
        return usage_error("--decrypted: must be a file, because standard input is the message")
    try:
        recipients = _recipients(options)
    except InvalidValue as error:
        return option_error(error, _OPTIONS)
    # The message-only format names nobody, so it needs no recipient.
    needs_recipients = options.format != ReportFormat.MESSAGE_ONLY
    if not recipients and needs_recipients:
        return usage_error("a recipient is required: --to, --cc, --bcc, --recipient or --expanded")
    try:
        # Only an authenticated client is believed about To, Cc and Bcc.
        trusted = bool(options.to or options.cc or options.bcc)
        sender = "" if options.sender in (None, "<>") else options.sender
        envelope = Envelope(sender, recipients, authenticated=trusted) if recipients else None
        date = None if options.date is None else datetime.fromisoformat(options.date)
    except InvalidValue as error:
        return option_error(error, _OPTIONS)
    except ValueError:
        return usage_error("--date: must be an ISO 8601 date")
    secrets = secrets_of(options)
    if isinstance(secrets, int):
        return secrets
    contents = []
    for name in (options.message, options.decrypted):
        try:
            contents.append(None if name is None else read(name))
        except OSError as error:
            return report_os_error(name, error)
    original, decrypted = contents
    if envelope is None:
        report = JournalReport(sender=sender, recipients=())
    else:
        # The roles are those of the command line, not those that the message claims.
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
        return option_error(error, _OPTIONS)
    if options.out == "-":
        put(data)
        return FINE
    return write(Path(options.out), data, force=options.force)


def _recipients(options: argparse.Namespace) -> list[Recipient]:
    """Return the recipients of the command line; members replace their list and have its role.

    Raises InvalidValue, whose field is the name of the option.
    """
    given: dict[str, Recipient] = {}
    for role in Role:
        for address in getattr(options, role.lower()):
            try:
                recipient = Recipient(address, role)
            except InvalidValue as error:
                raise InvalidValue(role.lower(), error.reason) from None
            given.setdefault(address_key(address), recipient)
    pairs: list[tuple[str, str]] = []
    for pair in options.expanded:
        parts = _MEMBER_OF.fullmatch(pair)
        if parts is None:
            raise InvalidValue("expanded", "must have the form MEMBER=LIST")
        if parts.groups() not in pairs:
            pairs.append((parts[1], parts[2]))
    # The first list through which each mailbox was reached, and the role given to each mailbox.
    through = {mailbox_key(member): mailbox_key(name) for member, name in reversed(pairs)}
    roles = {mailbox_key(recipient.address): recipient.role for recipient in reversed(given.values())}
    members = []
    for member, name in pairs:
        key: str | None = mailbox_key(member)
        seen: set[str] = set()
        while key is not None and key not in roles and key not in seen:
            seen.add(key)
            key = through.get(key)
        try:
            members.append(Recipient(member, roles.get(key or "", Role.RECIPIENT), expanded_from=name))
        except InvalidValue as error:
            raise InvalidValue("expanded", error.reason) from None
    lists = {mailbox_key(name) for member, name in pairs if mailbox_key(member) != mailbox_key(name)}
    reached = lists | through.keys()
    return [recipient for recipient in given.values() if mailbox_key(recipient.address) not in reached] + [
        member for member in members if mailbox_key(member.address) not in lists
    ]
