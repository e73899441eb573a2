"""Help and usage errors: how each verb is added to the command, and how its help is laid out."""

import argparse
import sys
from collections.abc import Iterable
from typing import Final, NoReturn, TypeAlias

from exjournal.cli.output import UNREADABLE, printable

# The page of the command, with a section for each verb.
_PAGE: Final = "docs/reference/command.md"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are short, and escaped for a terminal: a shell may have put file names among the options."""

    def error(self, message: str) -> NoReturn:
        """Report wrong usage, and exit."""
        verb = self.prog.partition(" ")[2] or "VERB"
        self.exit(UNREADABLE, f"{self.prog}: error: {printable(message)}\nexjournal {verb} --help shows the options\n")


Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"


class _Formatter(argparse.HelpFormatter):
    """Wraps each paragraph at the width of the terminal; one with indented lines, such as an example, stays as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n\n".join(
            [paragraph if "\n  " in paragraph else fill(paragraph, width, indent) for paragraph in text.split("\n\n")]
        )


def make_parser(description: str) -> Parser:
    """Make the parser of the command, which shows its help if no verb is given."""
    epilog = _epilog("exjournal parse report.eml", _PAGE)
    parser = Parser(prog="exjournal", description=description, epilog=epilog, formatter_class=_Formatter)

    def show_help(_: argparse.Namespace) -> int:
        parser.print_help(sys.stderr)
        return UNREADABLE

    parser.set_defaults(run=show_help)
    return parser


def add_verb(
    verbs: Verbs,
    name: str,
    summary: str,
    *,
    example: str,
    description: str | None = None,
    notes: str = "",
    page: str | None = None,
    parents: Iterable[Parser] = (),
) -> Parser:
    """Add a verb to the command; the caller adds the verb's options.

    `example`: the arguments of an example, which the help shows after the options and the `notes`.
    `page`: a page of the documentation about the verb, besides that of the command.
    """
    pages = [f"{_PAGE}#{name}", *([] if page is None else [page])]
    epilog = _epilog(f"exjournal {name} {example}", *pages)
    return verbs.add_parser(
        name,
        parents=parents,
        help=summary,
        description=description or f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"{notes}\n\n{epilog}" if notes else epilog,
        formatter_class=_Formatter,
    )


def _epilog(example: str, *pages: str) -> str:
    lines = ["example:", f"  {example}", "", "documentation, in the source distribution:"]
    return "\n".join([*lines, *[f"  {page}" for page in pages]])
