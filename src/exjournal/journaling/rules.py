"""Journal rules: whose mail is journaled, to which journal mailbox, in which scope and format.

Standard journaling (all mail of the mailboxes of a database) and premium journaling (rules with a scope and a recipient) are
one model. `rule_sets` makes a set of rules ready for deciding.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from exjournal.addresses import address_problem
from exjournal.errors import InvalidValue, as_member, wrong_type
from exjournal.journaling.organization import require_mailbox
from exjournal.lines import line_problem
from exjournal.reports.models import AnyFormat, ReportFormat


class Scope(StrEnum):
    """Which messages a rule is for, by the side that sender and recipient are on.

    INTERNAL: both are inside the organization. EXTERNAL: one of the two is outside. GLOBAL: any message.
    """

    GLOBAL = "global"
    INTERNAL = "internal"
    EXTERNAL = "external"


# A scope or its value.
AnyScope: TypeAlias = Scope | Literal["global", "internal", "external"]


@dataclass(frozen=True, slots=True)
class JournalRule:
    """One journal rule: whose mail is journaled, and to which journal mailbox.

    * `name`: a name on one line, which no other rule of the set has.
    * `journal_to`: the address of the journal mailbox.
    * `scope`: a `Scope` or its value.
    * `recipient`: a mailbox, a contact or a group, as a sender or as a recipient; None if the rule is for everyone.
    * `mailboxes`: for standard journaling, instead of a recipient: the name of a database of the organization, or addresses.
    * `enabled`: False if the rule matches nothing.
    * `format`: a `ReportFormat` or its value.

    Raises InvalidValue.
    """

    name: str
    journal_to: str
    scope: Scope = field(default=Scope.GLOBAL, kw_only=True)
    recipient: str | None = field(default=None, kw_only=True)
    mailboxes: str | tuple[str, ...] | None = field(default=None, kw_only=True)
    enabled: bool = field(default=True, kw_only=True)
    format: ReportFormat = field(default=ReportFormat.ENVELOPE, kw_only=True)

    if TYPE_CHECKING:

        def __init__(
            self,
            name: str,
            journal_to: str,
            *,
            scope: AnyScope = Scope.GLOBAL,
            recipient: str | None = None,
            mailboxes: str | Iterable[str] | None = None,
            enabled: bool = True,
            format: AnyFormat = ReportFormat.ENVELOPE,
        ) -> None: ...

    def __post_init__(self) -> None:
        _require("name", self.name, line_problem)
        require_mailbox("journal_to", self.journal_to)
        object.__setattr__(self, "scope", as_member("scope", self.scope, Scope))
        object.__setattr__(self, "format", as_member("format", self.format, ReportFormat))
        if self.recipient is not None:
            _require("recipient", self.recipient, address_problem)
        mailboxes: object = self.mailboxes
        if mailboxes is not None:
            if self.recipient is not None:
                raise InvalidValue("mailboxes", "cannot be combined with recipient")
            if isinstance(mailboxes, str):
                _require("mailboxes", mailboxes, line_problem)
            elif isinstance(mailboxes, bytes) or not isinstance(mailboxes, Iterable):
                raise wrong_type("mailboxes", mailboxes, "a name or a collection of addresses")
            else:
                object.__setattr__(self, "mailboxes", tuple(mailboxes))
                for number, address in enumerate(self.mailboxes or ()):
                    _require(f"mailboxes[{number}]", address, address_problem)
            if not self.mailboxes:
                raise InvalidValue("mailboxes", "is empty")

    @classmethod
    def for_database(
        cls,
        name: str,
        journal_to: str,
        *,
        mailboxes: str | Iterable[str],
        enabled: bool = True,
        format: AnyFormat = ReportFormat.ENVELOPE,
    ) -> "JournalRule":
        """Make a rule of standard journaling: for all mail that the mailboxes of one database send or receive.

        `mailboxes` is the name of a database of the organization, or the addresses of the mailboxes. Raises InvalidValue.
        """
        return cls(name, journal_to, mailboxes=mailboxes, enabled=enabled, format=format)


def _require(name: str, value: object, problem_of: Callable[[str], str | None]) -> None:
    if not isinstance(value, str):
        raise wrong_type(name, value, "a string")
    problem = problem_of(value) or (None if value else "is empty")
    if problem is not None:
        raise InvalidValue(name, problem)
