"""Writing: from a message and its envelope to the facts of a report, and from those to the bytes of a report.

`report_for` gathers the facts, `build_report` hands them to the writer of a format, which is in the module of that format. With
the date given, the output depends on the arguments alone.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import compress
from types import NoneType
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire.buffers import in_place
from exjournal._wire.message import Addressing, Facts, perhaps_named, read_facts
from exjournal.addresses import mailbox_key, same_mailbox
from exjournal.errors import BuildError, InvalidValue, require_type
from exjournal.reports.assembly import Options
from exjournal.reports.copies import write_bcc, write_message_only
from exjournal.reports.envelope import write_envelope
from exjournal.reports.envelope_2003 import write_envelope_2003
from exjournal.reports.models import AnyFormat, Envelope, JournalReport, Recipient, ReportFormat, Role
from exjournal.reports.seals import known_secrets, seal_field

if TYPE_CHECKING:
    from exjournal._wire.buffers import Buffer, Data


def report_for(message: "Data", envelope: Envelope, /) -> JournalReport:
    """The facts that a report on `message`, delivered under `envelope`, states.

    The sender is the message's From, or its Sender field if that names another mailbox, and MAIL FROM only if the message names
    nobody; MAIL FROM itself is kept as `envelope_sender` (MS-XJRNL 2.1.1). For a message from an authenticated client,
    recipients take their role from the message's own To and Cc, those in neither are Bcc, and a redirected recipient takes the
    role of the address it was redirected from; a role other than RECIPIENT in the envelope is kept. For any other message every
    role is RECIPIENT, and there is no On-Behalf-Of.

    Where a field is repeated, each of them counts. A recipient is Bcc only if all To and Cc fields could be read and no reader
    would find it in them; otherwise its role is RECIPIENT, which claims nothing. Control characters in a value become spaces.

    Only the header block is read, at most 512 KiB of it. Raises TypeError.
    """
    data = in_place(message, "a message")
    require_type(envelope, Envelope, "an Envelope")
    claims, addressing = read_facts(data, 0, len(data))
    author = next(iter(claims.authors), "")
    delegate = claims.sender if not same_mailbox(claims.sender, author) else ""
    return JournalReport(
        sender=delegate or author or envelope.sender,
        on_behalf_of=author if author and delegate and envelope.authenticated else None,
        recipients=_with_roles(envelope, claims, addressing, data),
        subject=claims.subject,
        message_id=claims.message_id,
        envelope_sender=envelope.sender,
    )


def _with_roles(envelope: Envelope, claims: Facts, addressing: Addressing, data: "Buffer") -> Iterator[Recipient]:
    roles = dict.fromkeys(map(mailbox_key, claims.cc), Role.CC) | dict.fromkeys(map(mailbox_key, claims.to), Role.TO)
    is_searched = False
    perhaps: frozenset[str] | None = None  # the mailboxes that some reader may find in To and Cc; None: any mailbox
    for recipient in envelope.recipients:
        role = recipient.role if envelope.authenticated else Role.RECIPIENT
        if envelope.authenticated and role is Role.RECIPIENT:
            key = mailbox_key(recipient.expanded_from or recipient.forwarded_from or recipient.address)
            if key in roles:
                role = roles[key]
            else:
                if not is_searched:
                    is_searched, perhaps = True, perhaps_named(data, addressing)
                role = Role.RECIPIENT if perhaps is None or key in perhaps else Role.BCC
        yield Recipient(
            recipient.address,
            role,
            expanded_from=recipient.expanded_from,
            forwarded_from=recipient.forwarded_from,
            display_name=recipient.display_name,
        )


class _Format(NamedTuple):
    """How a format is written, and which it takes of the options that not every format has."""

    write: "Callable[[JournalReport, Data | None, Options], bytes]"
    options: frozenset[str]
    needs_recipients: bool = True


_FORMATS: Final[dict[str, _Format]] = {
    ReportFormat.ENVELOPE: _Format(write_envelope, frozenset(("internal", "decrypted", "eight_bit", "secret"))),
    ReportFormat.ENVELOPE_2003: _Format(write_envelope_2003, frozenset(("correct_marker", "eight_bit", "secret"))),
    ReportFormat.BCC: _Format(write_bcc, frozenset(("bcc_all",))),
    ReportFormat.MESSAGE_ONLY: _Format(write_message_only, frozenset(), needs_recipients=False),
}


# The options that not every format has.
_OPTIONS: Final = ("internal", "correct_marker", "bcc_all", "eight_bit", "decrypted", "secret")
# The types of the other arguments, and how an error names what is expected.
_EXPECTED: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (JournalReport, "a JournalReport, as report_for() returns it,"),
    (str, "format as a ReportFormat"),
    ((str, NoneType), "domain as a string"),
    ((datetime, NoneType), "date as a datetime"),
    ((str, NoneType), "report_id as a string"),
    ((bytes, NoneType), "secret as bytes"),
)
_KINDS: Final = tuple([kind for kind, _ in _EXPECTED])


def build_report(
    report: JournalReport,
    original: "Data | None",
    /,
    *,
    domain: str | None = None,
    format: AnyFormat = ReportFormat.ENVELOPE,
    decrypted: "Data | None" = None,
    date: datetime | None = None,
    report_id: str | None = None,
    internal: bool = False,
    correct_marker: bool = False,
    bcc_all: bool = False,
    eight_bit: bool = False,
    secret: bytes | None = None,
) -> bytes:
    """The bytes of a journal report, with the original in it byte for byte.

    * `original`: the message, or None for a report without that part; a copy needs one.
    * `domain`: the domain of the system sender, an organization's default domain; never taken from the message. ENVELOPE
      requires it, ENVELOPE_2003 only if neither the original nor the report has an author for From.
    * `format`: ENVELOPE (MS-XJRNL 2.1) and ENVELOPE_2003 put the original into a report. BCC and MESSAGE_ONLY are copies of it.
    * `decrypted` (ENVELOPE): the readable copy of a rights-protected original.
    * `date`: has a time zone; by default now.
    * `report_id`: with its angle brackets; by default derived from the report and the original, so that a retry has the same
      id.
    * `internal` (ENVELOPE): write the marker and the property of a report that stays in an organization's transport.
    * `correct_marker` (ENVELOPE_2003): spell the marker correctly. Exchange 2003 misspelled it, which is the default.
    * `bcc_all` (BCC): name every recipient in the Bcc field.
    * `eight_bit` (both envelope formats): the mail server offers 8BITMIME, so a report text that is not ASCII is written as is.
      By default it is quoted-printable (RFC 2045 section 6.7), unless the original needs 8BITMIME anyway.
    * `secret` (both envelope formats): at least 16 bytes; adds a seal, by which `verify_seal` and `decide` recognize the
      report.

    BCC is the original without its Bcc field, or with one for the recipients that To and Cc do not name. MESSAGE_ONLY is the
    original without its Bcc field, and ignores `report`. Both ignore `domain`, `date` and `report_id`.

    Hand the result to a mail server only with an explicit SMTP envelope: its To, Cc and From are the original's.

    Raises BuildError, whose `.field` names the argument, and TypeError for an argument of another type.
    """
    arguments = (report, format, domain, date, report_id, secret)
    matches = list(map(isinstance, arguments, _KINDS))
    if False in matches:
        wrong = matches.index(False)
        require_type(arguments[wrong], *_EXPECTED[wrong])
    writer = _FORMATS.get(format)
    if writer is None:
        raise BuildError("format", f"must be one of {', '.join(_FORMATS)}")
    given = (internal, correct_marker, bcc_all, eight_bit, decrypted is not None, secret is not None)
    if any(given):
        for option in compress(_OPTIONS, given):
            if option not in writer.options:
                takers = [name for name, other in _FORMATS.items() if option in other.options]
                raise BuildError(option, f"needs the format {' or '.join(takers)}, not {format}")
    if writer.needs_recipients and not report.recipients:
        raise BuildError("recipients", "must not be empty: a report names at least one recipient")
    options = Options(
        domain=domain,
        date=datetime.now(UTC) if date is None else date,
        report_id=report_id,
        decrypted=decrypted,
        internal=internal,
        correct_marker=correct_marker,
        bcc_all=bcc_all,
        eight_bit=eight_bit,
        secret=None if secret is None else _checked_secret(secret),
    )
    data = writer.write(report, original, options)
    return data if options.secret is None else seal_field(data, options.secret) + data


def _checked_secret(secret: bytes) -> bytes:
    try:
        (checked,) = known_secrets((secret,))
    except InvalidValue as error:
        raise BuildError("secret", error.reason) from None
    return checked
