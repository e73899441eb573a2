"""Secrets of the command: files that hold one each, named by an option, since a command line is for all to see."""

import argparse

from exjournal import InvalidValue, load_secret
from exjournal.cli.output import unreadable, usage


def add_secret_files(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Add the option that names files of secrets."""
    parser.add_argument(
        "--secret-file",
        action="append",
        default=[],
        metavar="PATH",
        help=f"a file that holds a secret of at least 16 octets, {purpose}; may be repeated",
    )


def secrets_of(options: argparse.Namespace) -> list[bytes] | int:
    """The secrets of the named files, or the exit status where one cannot be used, which is told."""
    secrets = []
    for name in options.secret_file:
        try:
            secrets.append(load_secret(name))
        except InvalidValue as error:
            return usage(f"{name}: {error.reason}")
        except OSError as error:
            return unreadable(name, error)
    return secrets
