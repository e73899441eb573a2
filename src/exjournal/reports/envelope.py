"""The format of Exchange 2007 and later: reading and writing its report text, and its header fields (MS-XJRNL 2.1).

The report text has one field on each line, CRLF, one space after the colon, no folds, and this order (MS-XJRNL 2.1.1):

    Sender, [On-Behalf-Of], Subject, Message-Id, [Label], [Mailbox], [SentUtc], [ReceivedUtc], recipient lines
    recipient line: (To | Cc | Bcc | Recipient) ": " address [", " (Expanded | Forwarded) ": " address]

The reader accepts any order and letter case, and LF. It accounts for every non-empty line: the line becomes a field, or is in
`unparsed` verbatim.
"""

import re
from itertools import islice, repeat
from typing import TYPE_CHECKING, Final, NamedTuple

from exjournal._wire import names
from exjournal._wire.quoted_printable import BREAK, EDGE
from exjournal.addresses import address_problem, addresses_in_list
from exjournal.errors import BuildError, DefectCode
from exjournal.limits import (
    ADDRESS_LIMIT,
    DEFECT_LIMIT,
    LABEL_LIMIT,
    LINE_LIMIT,
    RECIPIENT_LIMIT,
    RECIPIENT_SIZE,
    UNPARSED_LIMIT,
)
from exjournal.lines import BLANKS, Pieces, holds_control, line_problem, lines_in
from exjournal.reports.assembly import (
    VISIBLE_ASCII,
    Draft,
    Options,
    begin_report,
    derive_report_id,
    finish_report,
    write_text_part,
)
from exjournal.reports.models import JournalReport, Recipient, Role, UncheckedRecipient, unchecked_recipient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exjournal._wire.buffers import Data


_ROLES: Final = {str(role): role for role in Role}
_ROLES_ANY_CASE: Final = {str(role).lower(): role for role in Role}

# Label in lower case to the attribute of JournalReport.
_FIELDS: Final = {
    names.SENDER.lower(): "sender",
    names.ON_BEHALF_OF.lower(): "on_behalf_of",
    names.SUBJECT.lower(): "subject",
    names.MESSAGE_ID.lower(): "message_id",
    names.LABEL.lower(): "label",
    names.MAILBOX.lower(): "mailbox",
    names.SENT_UTC.lower(): "sent_utc",
    names.RECEIVED_UTC.lower(): "received_utc",
}
_MAY_BE_EMPTY: Final = frozenset(("sender", "subject", "message_id"))
_ADDRESS_FIELDS: Final = frozenset(("sender", "on_behalf_of"))

_EXPANDED: Final = f", {names.EXPANDED}: "
_FORWARDED: Final = f", {names.FORWARDED}: "
# The label of a redirect. Lines that contain it are not read together, but one by one. `_REDIRECT` has the same labels, and so
# has the pattern by which `addresses` refuses an address that reads like a redirect: change all three together.
_REDIRECT_LABEL = re.compile("(?i:(?:expanded|forwarded):)")
_KINDS: Final = ("expanded", "forwarded")
# A quoted string, or the label of a redirect. The white paper's grammar omits the comma, its examples have it.
_REDIRECT = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|(?<![, \t])[, \t]++(?i:(expanded|forwarded))[ \t]*+:')
_IN_BRACKETS = re.compile(r"([^<>]*)<([^<>]*)>")
# Another address before a display form: that is not a name but a list, of which one address would be lost.
_ADDRESS_BEFORE = re.compile(r'[^\s"]@[^\s";,]++[;,]')
_TYPE_PREFIX = re.compile(r"\A(?i:smtp:)")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
# Characters of the longest label. Longer text before a colon is not copied to lower case.
_LABEL_SIZE: Final = 61
# The printable characters that an address may have and that need a closer look.
_ODD: Final = frozenset(' ,;<>":')
_INDENTS: Final = (" ", "\t")
# Characters of the longest recipient line that can be valid: an address, two redirects, their labels, a display name.
_RECIPIENT_LINE_LIMIT: Final = 5 * ADDRESS_LIMIT


class TooManyRecipients(Exception):
    """A text has more recipients than `recipient_limit` allows; the argument is the limit."""


def recipient_limit(text: str, /) -> int:
    """How many recipients a text may have: `RECIPIENT_LIMIT`, or in a long text one for each `RECIPIENT_SIZE` characters."""
    return max(RECIPIENT_LIMIT, len(text) // RECIPIENT_SIZE)


class Oddity(NamedTuple):
    """The code of a defect with its first and last line, counted from 0; adjacent lines with the same code are one oddity."""

    code: DefectCode
    first: int
    last: int


class ReportText:
    """What was read from a report text: values by attribute, recipients, lines not understood, oddities.

    There are at most `DEFECT_LIMIT` oddities; `left_out` counts the others. `unparsed` has one string for each line up to
    `UNPARSED_LIMIT`; all lines after that are in one more string.
    """

    __slots__ = ("_excess", "_last_code", "_last_line", "left_out", "oddities", "recipients", "unparsed", "values")

    def __init__(self, values: dict[str, str], recipients: list[Recipient]) -> None:
        self.values: dict[str, str] = values
        self.recipients: list[Recipient] = recipients
        self.unparsed: list[str] = []
        self.oddities: list[Oddity] = []
        self.left_out: int = 0
        # The lines after the first `UNPARSED_LIMIT`.
        self._excess: Pieces | None = None
        # The code and the last line of the newest oddity, even if it was left out.
        self._last_code: DefectCode | None = None
        self._last_line = 0

    def note(self, code: DefectCode, number: int) -> None:
        """Add an oddity of a line, or extend the newest one."""
        is_continued = code is self._last_code and number <= self._last_line + 1
        self._last_code, self._last_line = code, number
        if is_continued:
            if not self.left_out:
                self.oddities[-1] = self.oddities[-1]._replace(last=number)
        elif len(self.oddities) < DEFECT_LIMIT:
            self.oddities.append(Oddity(code, number, number))
        else:
            self.left_out += 1

    def keep(self, line: str) -> None:
        """Keep a line, or a part of one, in `unparsed`."""
        if len(self.unparsed) < UNPARSED_LIMIT:
            self.unparsed.append(line)
        else:
            self._excess = self._excess or Pieces("\n")
            self._excess.add(line)

    def set_aside(self, line: str, code: DefectCode, number: int) -> None:
        """Keep a line that is not understood, and note why."""
        self.keep(line)
        self.note(code, number)

    def finish(self) -> "ReportText":
        """Return the text itself. To be called after its last line."""
        if self._excess is not None:
            self.unparsed.append(self._excess.text())
            self._excess = None
        return self


def read_report_text(text: str, /) -> ReportText:
    """Read a decoded report text in linear time. Raises TooManyRecipients and nothing else."""
    return read_usual_text(text) or read_any_text(text)


# A value on one line, of ASCII (`line_problem`): no control characters except TAB.
_USUAL_VALUE: Final = r"[^\0-\x08\n-\x1f\x7f]*"


def usual_head(line_end: str, /) -> str:
    """A pattern for the first three lines of an ASCII report text as Exchange writes it.

    Its groups are the sender, an address without quotes or spaces, and the values of Subject and Message-Id.
    """
    return (
        rf'Sender: ([^\0- ,;<>":\x7f]{{1,{ADDRESS_LIMIT}}}){line_end}'
        rf"Subject: ({_USUAL_VALUE}){line_end}Message-Id: ({_USUAL_VALUE}){line_end}"
    )


_USUAL_HEADS: Final = {line_end: re.compile(usual_head(line_end)) for line_end in ("\r\n", "\n")}


def read_usual_text(text: str, /) -> ReportText | None:
    """Read a text that holds nothing but what Exchange writes, or None: `read_any_text` returns the same, more slowly."""
    if not text.isascii():
        return None
    for line_end, pattern in _USUAL_HEADS.items():
        head = pattern.match(text)
        if head is not None:
            sender, subject, message_id = head.groups()
            recipients = read_usual_recipients(text[head.end() :].removesuffix(line_end), line_end)
            if recipients is None:
                return None
            return ReportText(
                {"sender": sender, "subject": subject.strip(BLANKS), "message_id": message_id.strip(BLANKS)},
                recipients,
            )
    return None


# Characters of recipient lines that are read together, however short the lines are.
_LONG: Final = 1 << 20
_LINE_BEGINS: Final = {
    line_end: {f"{line_end}{label}": role for label, role in _ROLES.items()} for line_end in ("\r\n", "\n")
}


def read_usual_recipients(lines: str, line_end: str, /) -> list[Recipient] | None:
    """Read ASCII lines, the last without its line end, if all are recipients as Exchange writes them; else return None.

    A list may have ten thousand members, so all addresses are checked together instead of line by line.
    """
    # A great many short lines are read one by one: all of them at once take over 30 times their size.
    if len(lines) > _LONG and lines.count("\n") * RECIPIENT_SIZE > len(lines):
        return None
    # Replacing the label of a redirect by one character removes its spaces. No address without quotes has a semicolon.
    mark = ";"
    if mark in lines:
        return None
    lines = lines.replace(_EXPANDED, mark)
    label, _, values = lines.partition(": ")
    line_begins = f"{line_end}{label}: "
    roles: Iterator[Role] | None = None
    try:
        if lines.startswith(line_begins, lines.find(line_end)):
            addresses = values.split(line_begins)
            together = "".join(addresses)
            if "\n" not in together:
                roles = repeat(_ROLES[label], len(addresses))
        if roles is None:  # lines of several kinds
            # Labels and addresses in turn; a label counts only at the beginning of a line.
            pieces = (line_end + f": {line_end}".join(lines.split(line_end))).split(": ")
            addresses = pieces[1::2]
            if len(pieces) != 2 * len(addresses):
                return None
            roles = iter(list(map(_LINE_BEGINS[line_end].__getitem__, pieces[::2])))
            together = "".join(addresses)
    except KeyError:
        return None
    if " " in together or "<" in together or ">" in together or '"' in together or "," in together:
        return None
    if holds_control(together) or not all(addresses):
        return None
    if ":" in together and _REDIRECT_LABEL.search(together) is not None:
        return None
    # No address is longer than its line, and all lines are short if there is a line end in each window of the limit's size.
    position, size = 0, len(lines)
    while size - position > ADDRESS_LIMIT:
        position = lines.rfind("\n", position, position + ADDRESS_LIMIT) + 1
        if not position:
            return None
    # Filled field by field in this loop: a call for each recipient takes longer.
    recipients: list[Recipient] = []
    add, new, real = recipients.append, UncheckedRecipient, Recipient
    redirected = mark in together
    for address, role in zip(addresses, roles, strict=True):
        redirect = None
        if redirected and mark in address:
            address, _, redirect = address.partition(mark)  # noqa: PLW2901
            if not address or not redirect or mark in redirect:
                return None
        recipient = new()
        recipient.address = address
        recipient.role = role
        recipient.expanded_from = redirect
        recipient.forwarded_from = None
        recipient.display_name = ""
        recipient.__class__ = real
        add(recipient)
    return recipients


def read_any_text(text: str, /) -> ReportText:
    """Read any text, line by line. Raises TooManyRecipients."""
    result = ReportText({}, [])
    limit = recipient_limit(text)
    ahead: Iterator[tuple[int, str]] | None = None
    is_foreign = False
    for number, line in _lines(text, result):
        label, colon, value = line.partition(":")
        name = _name_in(label)
        if not line.strip(BLANKS):
            if result.recipients and not is_foreign:
                ahead = ahead or _lines(text, None)
                is_foreign = _is_foreign(ahead, number, result.values)
        elif is_foreign:
            result.set_aside(line, DefectCode.UNKNOWN_LINE, number)
        elif colon and (role := _ROLES_ANY_CASE.get(name)) is not None:
            _read_recipient(line, role, value.strip(BLANKS), number, result, limit)
            if len(result.recipients) > limit:
                raise TooManyRecipients(limit)
        elif colon and (attribute := _FIELDS.get(name)) is not None:
            _read_field(line, attribute, value.strip(BLANKS), number, result)
        elif colon and _LABEL.fullmatch(name) is not None:
            result.set_aside(line, DefectCode.UNKNOWN_FIELD, number)
        else:
            result.set_aside(line, DefectCode.UNKNOWN_LINE, number)
    return result.finish()


def _name_in(label: str) -> str:
    """The text before a colon, in lower case without outer spaces and tabs; "" if it is too long for a label."""
    name = label.strip(BLANKS)
    return name.lower() if len(name) <= _LABEL_SIZE else ""


def _is_foreign(ahead: "Iterator[tuple[int, str]]", number: int, values: dict[str, str]) -> bool:
    """Whether anything in the paragraph after the empty line `number`, which follows recipient lines, is not a report field.

    The paragraph may be the header of a message, which has a To as well. Everything after it is then foreign too: it may be the
    body of that message. `ahead` yields the lines of the text once more, and continues where the last paragraph ended.
    """
    for following, line in ahead:
        if following <= number:
            continue
        label, colon, _ = line.partition(":")
        if not colon and not label.strip(BLANKS):
            return False
        name = _name_in(label)
        if not colon or (name not in _ROLES_ANY_CASE and (name not in _FIELDS or _FIELDS[name] in values)):
            return True
    return False


def _lines(text: str, result: ReportText | None) -> "Iterator[tuple[int, str]]":
    """The unfolded lines of a text with their numbers. Folds are noted in `result`."""
    if "\n " in text or "\n\t" in text:
        return _unfolded(text, result)
    return enumerate(lines_in(text))


def _unfolded(text: str, result: ReportText | None) -> "Iterator[tuple[int, str]]":
    """Join lines that a gateway folded; an indented line that is not a continuation remains a line of its own."""
    head, first = 0, ""
    name: str | None = None  # of the field that `first` begins; None until an indented line follows it
    last_piece = ""  # the part of the value in the last line
    pieces: Pieces | None = None
    for number, line in enumerate(lines_in(text)):
        if number and line[:1] in _INDENTS:
            if name is None:
                name, last_piece = _folded_field(first)
            if name and _continues(name, last_piece, line):
                last_piece = line.strip(BLANKS)
                if pieces is None:
                    pieces = Pieces(" ")
                    pieces.add(first)
                # A fold after the colon replaces one space; elsewhere the line has a space of its own.
                pieces.add(last_piece)
                if result is not None:
                    result.note(DefectCode.FOLDED_LINE, number)
                continue
        if number:
            yield head, first if pieces is None else pieces.text()
        head, first, name, pieces = number, line, None, None
    yield head, first if pieces is None else pieces.text()


def _folded_field(line: str) -> tuple[str, str]:
    """The name and the value of a field that may be folded; both "" for any other line."""
    label, colon, value = line.partition(":")
    if not colon or label[:1] in _INDENTS:
        return "", ""  # in a text that is indented throughout, no line is folded
    return _name_in(label), value.strip(BLANKS)


def _continues(name: str, last_piece: str, line: str) -> bool:
    """Whether an indented line continues the field before it: a subject, a value not begun yet, a redirect not ended."""
    if name == "subject":
        return True
    if name in _ROLES_ANY_CASE and _REDIRECT.match(" " + line.strip(BLANKS)) is not None:
        return True
    open_ended = not last_piece or (name in _ROLES_ANY_CASE and last_piece.endswith((",", ":")))
    following = _name_in(line.partition(":")[0])
    return (
        open_ended
        and (name in _ROLES_ANY_CASE or name in _FIELDS)
        and not (following in _ROLES_ANY_CASE or following in _FIELDS)
    )


def _read_field(line: str, attribute: str, value: str, number: int, result: ReportText) -> None:
    if attribute in result.values:
        result.set_aside(line, DefectCode.REPEATED_FIELD, number)
        return
    name, bracketed = "", False
    if attribute in _ADDRESS_FIELDS:
        name, value, bracketed = ("", "", False) if value == "<>" else _bare_address(value)
        problem = address_problem(value) if value else None
    else:
        problem = line_problem(value)
        if attribute == "label" and len(value) > LABEL_LIMIT:
            problem = "is too long"
    if not value and attribute not in _MAY_BE_EMPTY:
        problem = "is empty"
    if problem is not None:
        result.set_aside(line, DefectCode.INVALID_VALUE, number)
        return
    if bracketed:
        result.note(DefectCode.ADDRESS_IN_BRACKETS, number)
        if name and attribute == "sender":
            result.values["sender_display_name"] = name
        elif name:
            result.keep(line)  # the model has no place for the display name
    result.values[attribute] = value


def _read_recipient(line: str, role: Role, value: str, number: int, result: ReportText, limit: int) -> None:
    """Read a recipient line, which may have quotes, redirects, display forms or anything else out of the ordinary."""
    if len(value) > _RECIPIENT_LINE_LIMIT:
        if not _read_list(line, role, value, number, result, limit):
            result.set_aside(line, DefectCode.INVALID_VALUE, number)
        return
    # Nothing in it can be quoted, redirected or forbidden: the address is valid as it is.
    if value.isprintable() and 0 < len(value) <= ADDRESS_LIMIT and _ODD.isdisjoint(value):
        result.recipients.append(unchecked_recipient(value, role, None, None, ""))
        return
    if (";" in value or "," in value) and _read_list(line, role, value, number, result, limit):
        return
    head, redirects, is_clear = _redirects_of(value)
    display_name, address, is_bracketed = _bare_address(head)
    is_any_bracketed = is_bracketed
    lost_names = ""
    for kind, redirect in redirects.items():
        name, redirects[kind], is_bracketed = _bare_address(redirect.strip(BLANKS))
        is_any_bracketed |= is_bracketed
        lost_names += name
    if not is_clear or any(map(address_problem, (address, *redirects.values()))):
        result.set_aside(line, DefectCode.INVALID_VALUE, number)
        return
    if is_any_bracketed:
        result.note(DefectCode.ADDRESS_IN_BRACKETS, number)
        if lost_names:
            result.keep(line)  # the model has no place for the display name of a redirect
    expanded, forwarded = redirects.get("expanded"), redirects.get("forwarded")
    result.recipients.append(
        Recipient(address, role, expanded_from=expanded, forwarded_from=forwarded, display_name=display_name)
    )


def _redirects_of(value: str) -> tuple[str, dict[str, str], bool]:
    """The text before the redirects of a recipient line, the redirects, and whether there is at most one of each kind."""
    redirects: dict[str, str] = {}
    labels = islice((match for match in _REDIRECT.finditer(value) if match[1]), len(_KINDS) + 1)
    pieces = [(label.start(), label.end(), label[1].lower()) for label in labels]
    end = len(value)
    for start, after, kind in reversed(pieces):
        redirects[kind] = value[after:end]
        end = start
    return value[:end].strip(BLANKS), redirects, len(redirects) == len(pieces)


def _read_list(line: str, role: Role, value: str, number: int, result: ReportText, limit: int) -> bool:
    """Read a recipient line with several addresses and keep the line; return False if it is not a list of valid addresses.

    It is not clear to which of them a redirect belongs: each gets it.
    """
    head, redirects, is_clear = _redirects_of(value)
    values = [
        None if value is None else value.strip(BLANKS)
        for value in (head, redirects.get("expanded"), redirects.get("forwarded"))
    ]
    lists = [None if value is None else addresses_in_list(value) for value in values]
    if not is_clear or lists.count(None) != len(lists) - 1:
        return False
    # The other values are one address each, or absent.
    for single, several in zip(values, lists, strict=True):
        if several is None and single is not None and address_problem(single) is not None:
            return False
    columns = [repeat(single) if several is None else several for single, several in zip(values, lists, strict=True)]
    for address, expanded, forwarded in zip(*columns, strict=False):
        if len(result.recipients) > limit:
            break  # the caller refuses the text
        result.recipients.append(unchecked_recipient(address, role, expanded, forwarded, ""))
    result.set_aside(line, DefectCode.SEVERAL_ADDRESSES, number)
    if redirects:
        result.note(DefectCode.SHARED_REDIRECT, number)
    return True


def _bare_address(value: str) -> tuple[str, str, bool]:
    """The display name and the bare address of a display form, and whether the value is one."""
    if value.endswith(">") and address_problem(value) is not None:
        form = _IN_BRACKETS.fullmatch(value)
        if form is not None and line_problem(value) is None and _ADDRESS_BEFORE.search(form[1]) is None:
            name = form[1].strip(BLANKS).strip('"').strip(BLANKS)
            return name, _TYPE_PREFIX.sub("", form[2].strip(BLANKS), count=1), True
    return "", value, False


def write_report_text(report: JournalReport, /, *, is_marked: bool = False) -> str:
    """The report text of a report, each line ended by CRLF; with `is_marked`, it marks where quoted-printable may break it."""
    colon, expanded, forwarded = _MARKED if is_marked else _UNMARKED
    lines = [f"{names.SENDER}{colon}{report.sender or '<>'}"]
    if report.on_behalf_of is not None:
        lines.append(f"{names.ON_BEHALF_OF}{colon}{report.on_behalf_of}")
    lines.append(f"{names.SUBJECT}: {report.subject}")
    lines.append(f"{names.MESSAGE_ID}: {report.message_id}")
    lines += [
        f"{label}: {value}"
        for label, value in (
            (names.LABEL, report.label),
            (names.MAILBOX, report.mailbox),
            (names.SENT_UTC, report.sent_utc),
            (names.RECEIVED_UTC, report.received_utc),
        )
        if value is not None
    ]
    for recipient in report.recipients:
        line = recipient.role + colon + recipient.address
        if recipient.expanded_from is not None:
            line += expanded + recipient.expanded_from
        if recipient.forwarded_from is not None:
            line += forwarded + recipient.forwarded_from
        lines.append(line)
    lines.append("")
    return "\r\n".join(lines)


# The texts before an address: the colon of its label, and the redirects.
_UNMARKED: Final = (": ", _EXPANDED, _FORWARDED)
_MARKED: Final = (
    f": {EDGE}",
    f"{EDGE}, {BREAK}{names.EXPANDED}: {EDGE}",
    f"{EDGE}, {BREAK}{names.FORWARDED}: {EDGE}",
)


def write_envelope(report: JournalReport, original: "Data | None", options: Options, /) -> bytes:
    """The bytes of a report in this format. Raises BuildError, and TypeError for a message of another type."""
    if options.domain is None:
        raise BuildError("domain", "is required: the domain of the system sender")
    draft = begin_report(report, original, options)
    text = write_report_text(report)
    text_part = write_text_part(text, lambda: write_report_text(report, is_marked=True), allows_8bit=draft.allows_8bit)
    is_8bit = draft.allows_8bit and not text_part.isascii()
    report_id = options.report_id
    if report_id is None:
        report_id = derive_report_id(draft, text, f"{options.internal}{' 8bit' if is_8bit else ''}")
    return finish_report(draft, report_id, text_part, _own_fields(draft, report_id), is_8bit=is_8bit)


def _own_fields(draft: Draft, report_id: str) -> str:
    """The header fields of a report that do not come from the original (MS-XJRNL 2.1)."""
    parent = draft.report.message_id
    has_parent = len(parent) < LINE_LIMIT and VISIBLE_ASCII.fullmatch(parent) is not None
    is_internal = draft.options.internal
    return (
        f"Sender:\r\n\t<{names.SYSTEM_SENDER}@{draft.options.domain}>\r\n"
        f"Message-ID: {report_id}\r\n"
        f"Date: {draft.date}\r\n"
        f"{names.MARKER_IN_TRANSPORT if is_internal else names.MARKER}:\r\n"
        + (f"{names.PARENT_MESSAGE_ID}:\r\n\t{parent}\r\n" if has_parent else "")
        + "Auto-Submitted: auto-generated\r\n"
        + f"{names.GENERATED_SOURCE}: Journal Agent\r\n"
        + (f"{names.TRANSPORT_PROPERTIES}: MustDeliver=True;\r\n" if is_internal else "")
    )
