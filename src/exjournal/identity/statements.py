"""Statements: what one report says, without the octets, as a value and as data.

A `Statement` is what remains of a `ParsedReport` when its message is archived elsewhere: small, hashable, picklable. Data comes
from other programs and other machines, so it is looked at as closely as a report.
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


class Statement(NamedTuple):
    """What one report says: all of a `ParsedReport` that is small, and its identity.

    `unparsed` has U+2400 for NUL and U+FFFD for a lone surrogate, as data for JSON has; `escaped` is True where the data of the
    report does. So a statement is the same whether it was made of a report or of data.
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
        """What the recipients are worth: those of a marked report, of one without a marker, or of the message's own header."""
        return recipients_from(self.format, self.marker)

    def to_dict(self) -> dict[str, object]:
        """The statement as data, under the names of `ParsedReport.to_dict()`, with the identity."""
        return {
            **statement_dict(self.report, self.format, self.marker, self.identity.report_id),
            "defects": defect_dicts(self.defects),
            "unparsed": list(self.unparsed),
            "escaped": self.escaped,
            "identity": self.identity.to_dict(),
        }


def statement_of(parsed: ParsedReport, /) -> Statement:
    """What a report says, without its octets."""
    unparsed = tuple([json_text(line) for line in parsed.unparsed])
    return Statement(
        identify(parsed), parsed.format, parsed.marker, parsed.report, parsed.defects, unparsed, is_escaped(parsed)
    )


def read_statement(data: object, place: str = "", /) -> Statement:
    """The statement in data that `Statement.to_dict()` gave, or `ParsedReport.to_dict()` with its identity.

    Further keys are passed over. What of the identity can be worked out again has to be what it is; the digests of octets
    that are elsewhere are believed. Raises InvalidValue, with the path of the field behind `place`.
    """
    said = _Data(data, place)
    if not said.has("identity"):
        raise said.problem("identity", "is missing: identify(parsed).to_dict() gives it")
    keys = said.entry("identity")
    identity = _identity(keys)
    recipients = [_recipient(one) for one in said.entries("recipients")]
    try:
        report = JournalReport(
            sender=said.text("sender"),
            recipients=recipients,
            subject=said.text("subject"),
            message_id=said.text("message_id"),
            on_behalf_of=said.optional("on_behalf_of"),
            envelope_sender=said.optional("envelope_sender"),
            label=said.optional("label"),
            mailbox=said.optional("mailbox"),
            sent_utc=said.optional("sent_utc"),
            received_utc=said.optional("received_utc"),
            sender_display_name=said.text("sender_display_name"),
        )
    except InvalidValue as error:
        raise said.about(error) from None
    try:
        format_ = ReportFormat(said.text("format"))
    except ValueError:
        raise said.problem("format", "is no report format") from None
    defects = tuple([_defect(one) for one in said.entries("defects")])
    codes = {defect.code for defect in defects}
    message_id_sha256, mih = message_id_keys(identity.message_id)
    if message_id_sha256 is None:
        # Data of earlier versions has the brackets of a Message-ID that names nothing.
        identity = identity._replace(message_id="")
    worked_out = identity._replace(
        message_id_sha256=message_id_sha256,
        mih=mih,
        recipients_sha256=recipients_digest(report.recipients).hex(),
        message_key=message_key_of(message_id_sha256, identity.content_sha256, identity.report_key),
        complete=identity.content_sha256 is not None and not codes & INCOMPLETE,
        nested=DefectCode.NESTED_REPORT in codes,
    )
    for name, one, other in zip(identity._fields, identity, worked_out, strict=True):
        if one != other:
            raise keys.problem(name, "is not that of the report")
    unparsed = said.texts("unparsed")
    fit = tuple([json_text(line) for line in unparsed])
    # Data of earlier versions was not escaped.
    escaped = fit != unparsed or (said.has("escaped") and said.flag("escaped"))
    return Statement(identity, format_, said.text("marker"), report, defects, fit, escaped)


def _identity(said: "_Data") -> Identity:
    return Identity(
        said.line("report_id"),
        said.line("message_id"),
        said.optional_digest("message_id_sha256"),
        said.optional("mih"),
        said.optional_digest("original_sha256"),
        said.optional_digest("content_sha256"),
        said.optional_digest("decrypted_sha256"),
        said.digest("recipients_sha256"),
        said.digest("message_key"),
        said.digest("report_key"),
        said.flag("complete"),
        said.flag("nested"),
    )


def _recipient(said: "_Data") -> Recipient:
    try:
        return Recipient(
            said.text("address"),
            Role(said.text("role")),
            # Earlier versions left out what there is none of.
            expanded_from=said.optional("expanded_from") if said.has("expanded_from") else None,
            forwarded_from=said.optional("forwarded_from") if said.has("forwarded_from") else None,
            display_name=(said.optional("display_name") or "") if said.has("display_name") else "",
        )
    except InvalidValue as error:
        raise said.about(error) from None
    except ValueError:
        raise said.problem("role", "is none of To, Cc, Bcc, Recipient") from None


def _defect(said: "_Data") -> Defect:
    try:
        code = DefectCode(said.text("code"))
    except ValueError:
        raise said.problem("code", "is no code of a defect") from None
    return Defect(code, said.text("detail"), said.number("offset"))


class _Data:
    """An object of JSON, and where in all of the data it stands."""

    __slots__ = ("_place", "_values")

    def __init__(self, values: object, place: str) -> None:
        if not isinstance(values, Mapping):
            raise InvalidValue(place.removesuffix(".") or "reports", f"is a {type(values).__name__}, not an object")
        self._values = values
        self._place = place

    def problem(self, name: str, reason: str) -> InvalidValue:
        return InvalidValue(f"{self._place}{name}", reason)

    def about(self, error: InvalidValue) -> InvalidValue:
        """An error of a value that was made, or of something inside, which knows its place."""
        return error if self._place and error.field.startswith(self._place) else self.problem(error.field, error.reason)

    def has(self, name: str) -> bool:
        return name in self._values

    def _value(self, name: str, kind: type[Value]) -> Value:
        if name not in self._values:
            raise self.problem(name, "is missing")
        value = self._values[name]
        # A truth value is a number to Python, and to nobody who writes JSON.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.problem(name, f"is a {type(value).__name__}, not a {kind.__name__}")
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
        return None if self.has(name) and self._values[name] is None else self.text(name)

    def digest(self, name: str) -> str:
        value = self.text(name)
        if re.fullmatch("[0-9a-f]{64}", value) is None:
            raise self.problem(name, "is no SHA-256 in lower-case hex")
        return value

    def optional_digest(self, name: str) -> str | None:
        return None if self.optional(name) is None else self.digest(name)

    def _list(self, name: str) -> list[object]:
        return self._value(name, list)

    def entry(self, name: str) -> "_Data":
        return _Data(self._values[name], f"{self._place}{name}.")

    def entries(self, name: str) -> "list[_Data]":
        return [_Data(one, f"{self._place}{name}[{number}].") for number, one in enumerate(self._list(name))]

    def texts(self, name: str) -> tuple[str, ...]:
        found = tuple([one for one in self._list(name) if isinstance(one, str)])
        if len(found) != len(self._list(name)):
            raise self.problem(name, "holds what is no text")
        return found
