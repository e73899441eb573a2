"""Explanations for an auditor: for every rule whether it fires for a message, by which addresses, and why or why not.

`decisions` makes them on demand, as data that can be printed in words.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from exjournal.journaling.rules import Scope


class Reason(StrEnum):
    """Why a rule fires, or why it does not."""

    MATCHED = "matched"
    DISABLED = "disabled"
    JOURNAL_MAILBOX = "journal-mailbox"
    NOT_NAMED = "not-named"
    OUT_OF_SCOPE = "out-of-scope"
    SEALED = "sealed"
    JOURNAL_REPORT = "journal-report"
    PROCESSED = "processed"
    MESSAGE_KIND = "message-kind"
    VOICE_MAIL = "voice-mail"
    ALREADY_JOURNALED = "already-journaled"


class Place(StrEnum):
    """Where in a message or its envelope an address is that a rule is for."""

    MAIL_FROM = "mail-from"
    FROM = "from"
    SENDER = "sender"
    RECIPIENT = "recipient"
    EXPANDED_FROM = "expanded-from"
    FORWARDED_FROM = "forwarded-from"


class Match(NamedTuple):
    """An address that a rule is for, and its place.

    `member_of` is the group or database of the rule that the address is in. `holds` is the recipient of the rule, if the
    address is a group that is not expanded yet and has that recipient among its members.
    """

    address: str
    place: Place
    member_of: str | None = None
    holds: str | None = None

    def __str__(self) -> str:
        words = f"{self.address} ({_PLACES[self.place]})"
        if self.member_of is not None:
            return f"{words}, a member of {self.member_of}"
        return words if self.holds is None else f"{words}, a group that holds {self.holds}"


_PLACES: Final = {
    Place.MAIL_FROM: "MAIL FROM",
    Place.FROM: "From",
    Place.SENDER: "Sender",
    Place.RECIPIENT: "recipient",
    Place.EXPANDED_FROM: "list it was expanded from",
    Place.FORWARDED_FROM: "mailbox it was forwarded from",
}
_WORDS: Final = {
    Reason.MATCHED: "asks for a report",
    Reason.DISABLED: "not journaled: the rule is disabled",
    Reason.JOURNAL_MAILBOX: "not journaled: every recipient is a journal mailbox or the alternate one",
    Reason.NOT_NAMED: "not journaled: the rule names none of the senders and recipients",
    Reason.OUT_OF_SCOPE: "not journaled: no sender and recipient are in its scope",
    Reason.SEALED: "not journaled: it is a journal report under our own seal",
    Reason.JOURNAL_REPORT: "not journaled: it is a journal report, and came over a trusted path",
    Reason.PROCESSED: "not journaled: it bears Exchange's processed stamp, and came over a trusted path",
    Reason.MESSAGE_KIND: "not journaled: message-only journaling leaves delivery reports and receipts out",
    Reason.VOICE_MAIL: "not journaled: voice mail is not journaled here",
    Reason.ALREADY_JOURNALED: "not journaled again: our own stamp names this mailbox and all recipients",
}
# The number of addresses that are named in words; the data has all of them.
_SHOWN: Final = 3


class Explanation(NamedTuple):
    """Whether one rule fires for a message, and why or why not; `str()` puts it in words.

    `matches` are the addresses that the rule is for, in order; there are none if the rule is for everyone.
    """

    rule: str
    journal_to: str
    reason: Reason
    matches: tuple[Match, ...] = ()
    scope: Scope = Scope.GLOBAL

    @property
    def matched(self) -> bool:
        """Whether the rule fires and asks for a report; if the message is held, that report is not made yet."""
        return self.reason is Reason.MATCHED

    def __str__(self) -> str:
        words = f"{self.rule}: {_WORDS[self.reason]}"
        if self.reason is Reason.OUT_OF_SCOPE:
            words += f", {self.scope}"
        if self.matched:
            words += f" to {self.journal_to}: " + ("" if self.matches else "the rule is for everyone")
        elif self.matches:
            words += "; it is for "
        words += "; ".join(map(str, self.matches[:_SHOWN]))
        left_out = len(self.matches) - _SHOWN
        return f"{words}; and {left_out} more" if left_out > 0 else words

    def to_dict(self) -> dict[str, object]:
        """Return the explanation as values for JSON."""
        matches = [
            {
                "address": match.address,
                "place": str(match.place),
                "member_of": match.member_of,
                "holds": match.holds,
            }
            for match in self.matches
        ]
        return {
            "rule": self.rule,
            "journal_to": self.journal_to,
            "scope": str(self.scope),
            "matched": self.matched,
            "reason": str(self.reason),
            "matches": matches,
        }
