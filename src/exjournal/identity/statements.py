"""Statements: the facts of one report without the bytes of its message, as a value and as data.

A `Statement` is small, hashable and picklable; `merging` joins statements. Their data may come from other programs, so it is
validated as strictly as a report.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from exjournal.errors import Defect, DefectCode, InvalidValue
from exjournal.identity.keys import (
    INCOMPLETE,
    Identity,
    identify,
    message_id_keys,
    message_key_of,
    recipients_digest,
)
from exjournal.lines import json_text, line_problem
from exjournal.reports.models import (
    Evidence,
    JournalReport,
    ParsedReport,
    Recipient,
    ReportFormat,
    Role,
    defect_dicts,
    is_escaped,
    recipients_from,
    statement_dict,
)

Value = TypeVar("Value")

_SHA256 = re.compile("[0-9a-f]{64}")


class Statement(NamedTuple):
    """The facts of one report: everything in a `ParsedReport` except the bytes, and its identity.

    `report`, `format`, `marker` and `defects` are those of the `ParsedReport`. `unparsed` has U+2400 for NUL and U+FFFD for a
    lone surrogate, as data for JSON does; `escaped` is True if the data of the report contains such a replacement. So a report
    and its data give equal statements.
    """

    identity: Identity
    format: ReportFormat
    marker: str
    report: JournalReport
    defects: tuple[Defect, ...]
    unparsed: tuple[str, ...]
    escaped: bool = False

    @property
    def recipients_from(self) -> Evidence:
        """Whether the recipients come from a report with a marker, from one without, or from the message's own header."""
        return recipients_from(self.format, self.marker)

    def to_dict(self) -> dict[str, object]:
        """Return the statement as data, with the keys of `ParsedReport.to_dict()` and the identity."""
        return {
            **statement_dict(self.report, self.format, self.marker, self.identity.report_id),
            "defects": defect_dicts(self.defects),
            "unparsed": list(self.unparsed),
            "escaped": self.escaped,
            "identity": self.identity.to_dict(),
        }


def statement_of(parsed: ParsedReport, /) -> Statement:
    """Make the statement of a report that was read."""
    unparsed = tuple([json_text(line) for line in parsed.unparsed])
    return Statement(
        identify(parsed), parsed.format, parsed.marker, parsed.report, parsed.defects, unparsed, is_escaped(parsed)
    )


def read_statement(data: object, place: str = "", /) -> Statement:
    """Read the data that `Statement.to_dict()` returned, or `ParsedReport.to_dict()` with its identity added.

    Ignores further keys. Recomputes every key of the identity that does not need the bytes of the message, and refuses one
    that differs; the digests of those bytes are believed. Raises InvalidValue, whose field is `place` and the path after it.
    """
    entry = _Entry(data, place)
    if not entry.has_value("identity"):
        raise entry.problem("identity", "is missing; it must be identify(parsed).to_dict()")
    keys = entry.entry("identity")
    identity = _identity(keys)
    recipients = [_recipient(item) for item in entry.entries("recipients")]
    try:
        report = JournalReport(
            sender=entry.text("sender"),
            recipients=recipients,
            subject=entry.text("subject"),
            message_id=entry.text("message_id"),
            on_behalf_of=entry.optional("on_behalf_of"),
            envelope_sender=entry.optional("envelope_sender"),
            label=entry.optional("label"),
            mailbox=entry.optional("mailbox"),
            sent_utc=entry.optional("sent_utc"),
            received_utc=entry.optional("received_utc"),
            sender_display_name=entry.text("sender_display_name"),
        )
    except InvalidValue as error:
        raise entry.located(error) from None
    try:
        format_ = ReportFormat(entry.text("format"))
    except ValueError:
        raise entry.problem("format", f"must be one of {', '.join(ReportFormat)}") from None
    defects = tuple([_defect(item) for item in entry.entries("defects")])
    codes = {defect.code for defect in defects}
    message_id_sha256, mih = message_id_keys(identity.message_id)
    if message_id_sha256 is None:
        # Earlier versions kept the brackets of a blank Message-ID.
        identity = identity._replace(message_id="")
    recomputed = identity._replace(
        message_id_sha256=message_id_sha256,
        mih=mih,
        recipients_sha256=recipients_digest(report.recipients).hex(),
        message_key=message_key_of(message_id_sha256, identity.content_sha256, identity.report_key),
        complete=identity.content_sha256 is not None and not codes & INCOMPLETE,
        nested=DefectCode.NESTED_REPORT in codes,
    )
    for name, given, expected in zip(identity._fields, identity, recomputed, strict=True):
        if given != expected:
            raise keys.problem(name, "does not match the report")
    unparsed = entry.texts("unparsed")
    escaped_lines = tuple([json_text(line) for line in unparsed])
    # Earlier versions did not escape their data.
    escaped = escaped_lines != unparsed or (entry.has("escaped") and entry.flag("escaped"))
    return Statement(identity, format_, entry.text("marker"), report, defects, escaped_lines, escaped)


def _identity(entry: "_Entry") -> Identity:
    return Identity(
        report_id=entry.line("report_id"),
        message_id=entry.line("message_id"),
        message_id_sha256=entry.optional_digest("message_id_sha256"),
        mih=entry.optional("mih"),
        original_sha256=entry.optional_digest("original_sha256"),
        content_sha256=entry.optional_digest("content_sha256"),
        decrypted_sha256=entry.optional_digest("decrypted_sha256"),
        recipients_sha256=entry.digest("recipients_sha256"),
        message_key=entry.digest("message_key"),
        report_key=entry.digest("report_key"),
        complete=entry.flag("complete"),
        nested=entry.flag("nested"),
    )


def _recipient(entry: "_Entry") -> Recipient:
    try:
        return Recipient(
            entry.text("address"),
            Role(entry.text("role")),
            # Earlier versions left out missing values.
            expanded_from=entry.optional("expanded_from") if entry.has("expanded_from") else None,
            forwarded_from=entry.optional("forwarded_from") if entry.has("forwarded_from") else None,
            display_name=(entry.optional("display_name") or "") if entry.has("display_name") else "",
        )
    except InvalidValue as error:
        raise entry.located(error) from None
    except ValueError:
        raise entry.problem("role", f"must be one of {', '.join(Role)}") from None


def _defect(entry: "_Entry") -> Defect:
    try:
        code = DefectCode(entry.text("code"))
    except ValueError:
        raise entry.problem("code", "must be the code of a defect") from None
    return Defect(code, entry.text("detail"), entry.number("offset"))


class _Entry:
    """An object of JSON and its path in the data, which every error names."""

    __slots__ = ("_place", "_values")

    def __init__(self, values: object, place: str) -> None:
        if not isinstance(values, Mapping):
            raise InvalidValue(
                place.removesuffix(".") or "reports", f"is a {type(values).__name__}; it must be an object"
            )
        self._values = values
        self._place = place

    def problem(self, name: str, reason: str) -> InvalidValue:
        return InvalidValue(f"{self._place}{name}", reason)

    def located(self, error: InvalidValue) -> InvalidValue:
        """Add the path of this entry to an error, unless it has that path already."""
        return error if self._place and error.field.startswith(self._place) else self.problem(error.field, error.reason)

    def has(self, name: str) -> bool:
        return name in self._values

    def has_value(self, name: str) -> bool:
        return self._values.get(name) is not None

    def _value(self, name: str, kind: type[Value]) -> Value:
        if name not in self._values:
            raise self.problem(name, "is missing")
        value = self._values[name]
        # In Python True is an int; in JSON it is not a number.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.problem(name, f"is a {type(value).__name__}; it must be a {kind.__name__}")
        return value

    def text(self, name: str) -> str:
        return self._value(name, str)

    def number(self, name: str) -> int:
        return self._value(name, int)

    def flag(self, name: str) -> bool:
        return self._value(name, bool)

    def line(self, name: str) -> str:
        value = self.text(name)
        problem = line_problem(value)
        if problem is not None:
            raise self.problem(name, problem)
        return value

    def optional(self, name: str) -> str | None:
        return None if self.has(name) and not self.has_value(name) else self.text(name)

    def digest(self, name: str) -> str:
        value = self.text(name)
        if _SHA256.fullmatch(value) is None:
            raise self.problem(name, "must be a SHA-256 in lower-case hex")
        return value

    def optional_digest(self, name: str) -> str | None:
        return None if self.optional(name) is None else self.digest(name)

    def _list(self, name: str) -> list[object]:
        return self._value(name, list)

    def entry(self, name: str) -> "_Entry":
        return _Entry(self._values[name], f"{self._place}{name}.")

    def entries(self, name: str) -> "list[_Entry]":
        return [_Entry(item, f"{self._place}{name}[{number}].") for number, item in enumerate(self._list(name))]

    def texts(self, name: str) -> tuple[str, ...]:
        items = self._list(name)
        lines = tuple([item for item in items if isinstance(item, str)])
        if len(lines) != len(items):
            raise self.problem(name, "must hold strings only")
        return lines
