"""The format of Exchange 2003: reading and writing its report text, with an HTML twin, and its header fields.

    Sender: "Display Name" <smtp:address>
    Message-ID: <id>
    Recipients:
    TAB "Display Name" <smtp:address>,
    TAB "Display Name" <smtp:address>

All recipients are in one list, without their roles; there is no subject. The reader accepts lists with and without commas,
several mailboxes on a line, addresses without brackets, and any type of address. As in the later format, every non-empty line
becomes a field or is in `unparsed` verbatim.
"""

import re
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Final

from exjournal._wire import names
from exjournal._wire.headers import text_of
from exjournal._wire.quoted_printable import BREAK, EDGE
from exjournal.addresses import QUOTED_CONTENT, address_problem, escape, unescape
from exjournal.errors import DefectCode
from exjournal.lines import BLANKS, line_problem, lines_in
from exjournal.reports.assembly import (
    Draft,
    Options,
    begin_report,
    choose_boundary,
    derive_report_id,
    finish_report,
    write_text_part,
)
from exjournal.reports.envelope import ReportText, TooManyRecipients, recipient_limit, write_report_text
from exjournal.reports.models import JournalReport, Recipient, Role, unchecked_recipient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exjournal._wire.buffers import Data

_LABELS: Final = {
    names.SENDER.lower(): "sender",
    names.MESSAGE_ID_2003.lower(): "message_id",
    names.SUBJECT.lower(): "subject",  # not in the grammar; harmless if a writer has it
}
_LIST: Final = names.RECIPIENTS.lower()
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
# Characters of the longest label.
_LABEL_SIZE: Final = 61

# All, some or none of a display name is in quotes. Without quotes it may have commas, as each mailbox has its own line.
_BRACKETED = re.compile(rf'((?:"{QUOTED_CONTENT}"|[^"<>])*+)<((?:"{QUOTED_CONTENT}"|[^<>"])*+)>[ \t]*+(?:,[ \t]*+|\Z)')
_BARE = re.compile(rf'((?:"{QUOTED_CONTENT}"|[^",<>])++)(?:,[ \t]*+|\Z)')
_QUOTED = re.compile(rf'"({QUOTED_CONTENT})"')
_AT_SIGN_OUTSIDE = re.compile(rf'(?:"{QUOTED_CONTENT}"|[^"@]++)*+@')
_COMMA_OUTSIDE = re.compile(rf'(?:"{QUOTED_CONTENT}"|[^",]++)*+,')
_SMTP: Final = "smtp:"
# An address of another kind has its type before it (X400:, EX:, FAX:).
_OTHER_TYPE = re.compile(r"(?!smtp:)[A-Za-z][A-Za-z0-9-]*:", re.IGNORECASE)
# Without brackets, only text that cannot be a sentence is an address; the labels of a header are not address types.
_PLAIN_BARE = re.compile(
    rf'(?:"{QUOTED_CONTENT}"|[^\s"@])++ ?@ ?[^\s"@]++'
    r"|smtp:.*\S"
    r"|(?!(?:to|cc|bcc|from|sender|subject|date|recipients?):)[A-Za-z][A-Za-z0-9]*:\S.*",
    re.IGNORECASE,
)
# C programs print this for a missing display name.
_NO_NAME: Final = "(null)"
_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


def read_report_text_2003(text: str, /) -> ReportText:
    """Read a decoded report text in linear time. Raises TooManyRecipients and nothing else."""
    result = ReportText({}, [])
    limit = recipient_limit(text)
    margin = _margin(text)
    ahead: Iterator[tuple[int, str]] | None = None
    in_list = False
    list_is_indented: bool | None = None
    is_foreign = False
    is_after_blank = False
    is_joined = False  # to the line before it
    for number, (written, following) in enumerate(pairwise(chain(lines_in(text), ("",)))):
        if is_joined:
            is_joined = False
            continue
        line = written.removeprefix(margin)
        content = line.strip(BLANKS)
        if not content:
            is_after_blank = True
            continue
        if is_after_blank and in_list and not is_foreign:
            ahead = ahead or enumerate(lines_in(text))
            is_foreign = _is_foreign(ahead, number, margin, result, limit, is_indented=list_is_indented)
        is_after_blank = False
        if is_foreign:
            result.set_aside(written, DefectCode.UNKNOWN_LINE, number)
            continue
        is_indented = line[0] in BLANKS
        lines, last = written, number
        if _is_folded(content, following):
            # A gateway broke the line between a display name and its address.
            is_joined = True
            last += 1
            content += " " + following.strip(BLANKS)
            lines += "\n" + following
            result.note(DefectCode.FOLDED_LINE, last)
        label, colon, value = content.partition(":")
        name = _name_in(label)
        if colon and name == _LIST and not is_indented:
            in_list = True
            if value.strip(BLANKS):
                _read_recipients(lines, value.strip(BLANKS), last, result, limit)
        elif colon and name in _LABELS and not (in_list and is_indented):
            _read_field(lines, _LABELS[name], value.strip(BLANKS), last, result, limit)
        elif in_list and _is_in_list(content, limit, list_is_indented=list_is_indented, is_indented=is_indented):
            list_is_indented = is_indented
            _read_recipients(lines, content, last, result, limit)
        elif colon and not is_indented and _LABEL.fullmatch(name) is not None:
            _set_aside(lines, DefectCode.UNKNOWN_FIELD, last, result)
        else:
            _set_aside(lines, DefectCode.UNKNOWN_LINE, last, result)
    return result.finish()


def _name_in(label: str) -> str:
    """The text before a colon, in lower case without spaces and tabs at its end; "" if it is too long for a label."""
    name = label.rstrip(BLANKS)
    return name.lower() if len(name) <= _LABEL_SIZE else ""


def _is_in_list(content: str, limit: int, *, list_is_indented: bool | None, is_indented: bool) -> bool:
    """Whether a line has the indentation of the list. The first line of an unindented list must have mailboxes, too."""
    if list_is_indented is None:
        return is_indented or _mailboxes(content, limit) is not None
    return list_is_indented == is_indented


def _is_foreign(
    ahead: "Iterator[tuple[int, str]]",
    start: int,
    margin: str,
    result: ReportText,
    limit: int,
    *,
    is_indented: bool | None,
) -> bool:
    """Whether anything in the paragraph that begins with line `start`, after a list and a blank line, is not part of a report.

    The paragraph may be a disclaimer, or a message with recipients of its own. Everything after it is then foreign too. `ahead`
    yields the lines of the text once more, and continues where the last paragraph ended.
    """
    for number, written in ahead:
        if number < start:
            continue
        line = written.removeprefix(margin)
        content = line.strip(BLANKS)
        if not content:
            return False
        label, colon, _ = content.partition(":")
        attribute = _LABELS.get(_name_in(label)) if colon and line[0] not in BLANKS else None
        if attribute is not None and attribute not in result.values:
            continue
        # A list may have blank lines between its lines, or before the first one.
        is_in_place = not result.recipients or (bool(is_indented) and line[0] in BLANKS)
        if not is_in_place or _mailboxes(content, limit) is None:
            return True
    return False


def _margin(text: str) -> str:
    """The spaces and tabs before the first line. Some gateways indent the whole text."""
    for line in lines_in(text):
        bare = line.lstrip(BLANKS)
        if bare:
            return line[: len(line) - len(bare)]
    return ""


def _is_folded(content: str, following: str) -> bool:
    """Whether a line ends in a quoted display name whose address is on the next line."""
    return content.endswith('"') and following[:1] in (" ", "\t") and following.lstrip(BLANKS).startswith("<")


def _set_aside(written: str, code: DefectCode, number: int, result: ReportText) -> None:
    for line in written.split("\n"):
        result.set_aside(line, code, number)


def _read_field(written: str, attribute: str, value: str, number: int, result: ReportText, limit: int) -> None:
    if attribute in result.values:
        _set_aside(written, DefectCode.REPEATED_FIELD, number, result)
        return
    if attribute == "sender":
        mailboxes = _mailboxes(value or "<>", limit)
        if mailboxes is None or len(mailboxes) != 1:
            _set_aside(written, DefectCode.INVALID_VALUE, number, result)
            return
        result.values["sender_display_name"] = mailboxes[0].display_name
        result.values["sender"] = mailboxes[0].address
    elif line_problem(value) is not None:
        _set_aside(written, DefectCode.INVALID_VALUE, number, result)
    else:
        result.values[attribute] = value


def _read_recipients(written: str, content: str, number: int, result: ReportText, limit: int) -> None:
    mailboxes = _mailboxes(content, limit)
    if mailboxes is None or not all(mailbox.address for mailbox in mailboxes):
        _set_aside(written, DefectCode.INVALID_VALUE, number, result)
        return
    result.recipients += mailboxes
    if len(result.recipients) > limit:
        raise TooManyRecipients(limit)


def _mailboxes(content: str, limit: int) -> list[Recipient] | None:
    """The mailboxes of a list, or None if it has anything else. The address of `<>` is "".

    Raises TooManyRecipients if there are more than `limit`.
    """
    mailboxes: list[Recipient] = []
    position = 0
    while position < len(content):
        # Bare addresses first: a name before a bracket may have commas, so each search for it could run to the end.
        mailbox = _BARE.match(content, position)
        if mailbox is not None and _PLAIN_BARE.fullmatch(mailbox[1].strip(BLANKS)) is not None:
            name, address = "", mailbox[1].strip(BLANKS)
        else:
            mailbox = _BRACKETED.match(content, position)
            if mailbox is None:
                return None
            phrase, address = mailbox[1].strip(BLANKS), mailbox[2].strip(BLANKS)
            if _AT_SIGN_OUTSIDE.match(phrase) is not None and _COMMA_OUTSIDE.match(phrase) is not None:
                return None  # an address, a comma and a name
            quoted = _QUOTED.fullmatch(phrase)
            name = "" if phrase == _NO_NAME else phrase
            if quoted is not None:
                name = unescape(quoted[1]).strip(BLANKS)
        if address[: len(_SMTP)].lower() == _SMTP:
            address = address[len(_SMTP) :].strip(BLANKS)
        if (address and address_problem(address) is not None) or line_problem(name) is not None:
            return None
        mailboxes.append(unchecked_recipient(address, Role.RECIPIENT, None, None, name))
        if len(mailboxes) > limit:
            raise TooManyRecipients(limit)
        position = mailbox.end()
    return mailboxes


def write_report_text_2003(report: JournalReport, /, *, is_marked: bool = False) -> str:
    """The report text of a report, each line ended by CRLF: sender, message id, and the names and addresses of recipients.

    With `is_marked`, it marks where quoted-printable may break it. So does the HTML twin of a marked text.
    """
    marks = (BREAK, EDGE) if is_marked else ("", "")
    recipients = ",\r\n\t".join(
        [_write_mailbox(recipient.display_name, recipient.address, *marks) for recipient in report.recipients]
    )
    return (
        f"{names.SENDER}: {_write_mailbox(report.sender_display_name, report.sender, *marks)}\r\n"
        f"{names.MESSAGE_ID_2003}: {report.message_id}\r\n"
        f"{names.RECIPIENTS}:\r\n\t{recipients}\r\n"
    )


def _write_mailbox(name: str, address: str, break_mark: str, edge_mark: str) -> str:
    mailbox = "<>"
    if address:
        kind = "" if _OTHER_TYPE.match(address) is not None else _SMTP
        mailbox = f"{break_mark}<{kind}{edge_mark}{address}{edge_mark}>"
    return f'"{escape(name)}" {mailbox}' if name else mailbox


def html_twin(text: str, /) -> str:
    """A report text as HTML, with every special character escaped."""
    lines = text.translate(_HTML).replace("\t", "&nbsp;&nbsp;&nbsp;&nbsp;").removesuffix("\r\n").split("\r\n")
    return "<html>\r\n<body>\r\n" + "".join([f"{line}<br>\r\n" for line in lines]) + "</body>\r\n</html>\r\n"


def write_envelope_2003(report: JournalReport, original: "Data | None", options: Options, /) -> bytes:
    """The bytes of a report in this format. Raises BuildError, and TypeError for a message of another type."""
    draft = begin_report(report, original, options)
    text = write_report_text_2003(report)
    parts = _write_text_parts(text, report, allows_8bit=draft.allows_8bit)
    is_8bit = draft.allows_8bit and not all(map(bytes.isascii, parts))
    report_id = options.report_id
    if report_id is None:
        # The text of the later format has facts that this one omits, such as roles.
        facts = f"{text}{write_report_text(report)}{options.correct_marker}"
        report_id = derive_report_id(draft, facts, "2003 8bit" if is_8bit else "2003")
    text_part = _write_alternative(parts, report_id, is_8bit=is_8bit)
    return finish_report(draft, report_id, text_part, _own_fields(draft, report_id), is_8bit=is_8bit)


def _write_text_parts(text: str, report: JournalReport, *, allows_8bit: bool) -> tuple[bytes, bytes]:
    """The part of the report text and that of its HTML twin, in ISO 8859-1 if that has every character."""
    charset = "iso-8859-1"
    try:
        if text_of(text.encode(charset), "latin_1") != text:
            charset = "utf-8"  # C1 control characters, which readers take for windows-1252
    except UnicodeEncodeError:
        charset = "utf-8"

    def marked() -> str:
        return write_report_text_2003(report, is_marked=True)

    return (
        write_text_part(text, marked, "plain", charset, allows_8bit=allows_8bit),
        write_text_part(html_twin(text), lambda: html_twin(marked()), "html", charset, allows_8bit=allows_8bit),
    )


def _write_alternative(parts: tuple[bytes, bytes], report_id: str, *, is_8bit: bool) -> bytes:
    """The multipart/alternative of the report text and its HTML twin."""
    boundary = choose_boundary(f"alternative {report_id}", *parts)
    delimiter = b"\r\n--%b" % boundary
    header = b'Content-Type: multipart/alternative;\r\n\tboundary="%b"\r\n' % boundary
    if is_8bit:
        header += b"Content-Transfer-Encoding: 8bit\r\n"
    return b"%b%b\r\n%b%b\r\n%b%b--\r\n" % (header, delimiter, parts[0], delimiter, parts[1], delimiter)


def _own_fields(draft: Draft, report_id: str) -> str:
    """The header fields of a report that do not come from the original."""
    marker = names.MARKER_2003_RIGHT if draft.options.correct_marker else names.MARKER_2003
    return f"Message-ID: {report_id}\r\nDate: {draft.date}\r\n{marker}: ExJournalReport\r\n"
