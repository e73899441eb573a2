"""The report text of Exchange 2003, both ways, and its HTML twin.

    Sender: "Display Name" <smtp:address>
    Message-ID: <id>
    Recipients:
    TAB "Display Name" <smtp:address>,
    TAB "Display Name" <smtp:address>

Every recipient stands in the one list, with nothing of To, Cc or Bcc; there is no subject. The reader takes lists with and
without commas, several mailboxes on a line, addresses without brackets, and any type of address. As in the later text every
non-empty line becomes a field, or stands verbatim in `unparsed`.
"""

import re
from typing import Final

from exjournal._wire import names
from exjournal._wire.lines import BLANKS, line_problem
from exjournal.addresses import address_problem
from exjournal.errors import DefectCode
from exjournal.models import JournalReport, Recipient
from exjournal.report_text import ReportText

_LABELS: Final = {
    names.SENDER.lower(): "sender",
    names.MESSAGE_ID_2003.lower(): "message_id",
    names.SUBJECT.lower(): "subject",  # not in the grammar, and harmless where a writer has it
}
_LIST: Final = names.RECIPIENTS.lower()
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")

# A display name in quotes or without; one without may hold commas, since each mailbox has a line of its own.
_INSIDE_QUOTES: Final = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
_BRACKETED = re.compile(
    rf'(?:"({_INSIDE_QUOTES})"|([^"<>]*+))[ \t]*+<((?:"{_INSIDE_QUOTES}"|[^<>"])*+)>[ \t]*+(?:,[ \t]*+|\Z)'
)
_BARE = re.compile(rf'((?:"{_INSIDE_QUOTES}"|[^",<>])++)(?:,[ \t]*+|\Z)')
_ESCAPED = re.compile(r"\\(.)")
_TO_ESCAPE = re.compile(r'(["\\])')
_SMTP: Final = "smtp:"
# An address of another kind has its type before it (X400:, EX:, FAX:).
_OTHER_TYPE = re.compile(r"(?!smtp:)[A-Za-z][A-Za-z0-9-]*:", re.IGNORECASE)
# What C programs print for a display name that is not there.
_NO_NAME: Final = "(null)"


def read_report_text_2003(text: str, /) -> ReportText:
    """Read a decoded report text; total and linear, whatever the text."""
    result = ReportText({}, [])
    in_list = False
    list_is_indented: bool | None = None
    for number, ended in enumerate(text.split("\n")):
        line = ended.rstrip("\r")
        content = line.strip(BLANKS)
        if not content:
            # A blank line ends a list that has begun: behind it stand disclaimers, with addresses of their own.
            in_list = in_list and not result.recipients
            continue
        is_indented = line[0] in BLANKS
        label, colon, value = content.partition(":")
        name = label.rstrip(BLANKS).lower()
        if colon and name == _LIST and not is_indented:
            in_list = True
            if value.strip(BLANKS):
                _read_recipients(line, value.strip(BLANKS), number, result)
        elif colon and name in _LABELS and not (in_list and is_indented):
            _read_field(line, _LABELS[name], value.strip(BLANKS), number, result)
        elif in_list and list_is_indented in (None, is_indented):
            list_is_indented = is_indented
            _read_recipients(line, content, number, result)
        elif colon and not is_indented and _LABEL.fullmatch(name) is not None:
            result.set_aside(line, DefectCode.UNKNOWN_FIELD, number)
        else:
            result.set_aside(line, DefectCode.UNKNOWN_LINE, number)
    return result


def _read_field(line: str, attribute: str, value: str, number: int, result: ReportText) -> None:
    if attribute in result.values:
        result.set_aside(line, DefectCode.REPEATED_FIELD, number)
        return
    if attribute == "sender":
        mailboxes = _mailboxes(value) if value else [("", "")]
        if mailboxes is None or len(mailboxes) != 1:
            result.set_aside(line, DefectCode.INVALID_VALUE, number)
            return
        result.values["sender_display_name"], result.values["sender"] = mailboxes[0]
    elif line_problem(value) is not None:
        result.set_aside(line, DefectCode.INVALID_VALUE, number)
    else:
        result.values[attribute] = value


def _read_recipients(line: str, content: str, number: int, result: ReportText) -> None:
    mailboxes = _mailboxes(content)
    if mailboxes is None or any(not address for _, address in mailboxes):
        result.set_aside(line, DefectCode.INVALID_VALUE, number)
        return
    for name, address in mailboxes:
        result.recipients.append(Recipient(address, display_name=name))


def _mailboxes(content: str) -> list[tuple[str, str]] | None:
    """The display names and addresses of a list, "" for the address of `<>`; None where any of it is something else."""
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(content):
        mailbox = _BRACKETED.match(content, position)
        if mailbox is not None:
            quoted, plain, address = mailbox.groups()
            name = _ESCAPED.sub(r"\1", quoted) if quoted is not None else plain
            if quoted is None and "@" in plain:
                return None  # an address and a comma, not a name
        else:
            mailbox = _BARE.match(content, position)
            if mailbox is None:
                return None
            name, address = "", mailbox[1]
        name, address = name.strip(BLANKS), address.strip(BLANKS)
        if address[: len(_SMTP)].lower() == _SMTP:
            address = address[len(_SMTP) :].strip(BLANKS)
        if (address and address_problem(address) is not None) or line_problem(name) is not None:
            return None
        if not address and "<" not in mailbox[0]:
            return None
        found.append(("" if name == _NO_NAME else name, address))
        position = mailbox.end()
    return found


def write_report_text_2003(report: JournalReport, /) -> str:
    """The report text of a report, each line ended by CRLF. It carries sender, message id and the addresses of recipients."""
    recipients = ",\r\n\t".join([_mailbox(one.display_name, one.address) for one in report.recipients])
    return (
        f"{names.SENDER}: {_mailbox(report.sender_display_name, report.sender)}\r\n"
        f"{names.MESSAGE_ID_2003}: {report.message_id}\r\n"
        f"{names.RECIPIENTS}:\r\n\t{recipients}\r\n"
    )


def _mailbox(name: str, address: str) -> str:
    typed = address if not address or _OTHER_TYPE.match(address) is not None else _SMTP + address
    return f'"{_TO_ESCAPE.sub(_BACKSLASH, name)}" <{typed}>' if name else f"<{typed}>"


_BACKSLASH: Final = r"\\\1"
_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


def html_twin(text: str, /) -> str:
    """A report text as HTML, every character of it escaped that means something there."""
    lines = text.translate(_HTML).replace("\t", "&nbsp;&nbsp;&nbsp;&nbsp;").removesuffix("\r\n").split("\r\n")
    return "<html>\r\n<body>\r\n" + "".join([f"{line}<br>\r\n" for line in lines]) + "</body>\r\n</html>\r\n"
