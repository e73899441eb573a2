"""The option `--secret-file`: secrets come from files, because other users can read a command line."""

import argparse

from exjournal import InvalidValue, load_secret
from exjournal.cli.output import report_os_error, usage_error


def add_secret_files(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Add the option to a verb."""
    parser.add_argument(
        "--secret-file",
        action="append",
        default=[],
        metavar="PATH",
        help=f"a file with a secret of at least 16 bytes, {purpose}; may be repeated",
    )


def secrets_of(options: argparse.Namespace) -> list[bytes] | int:
    """Read the secrets; report one that cannot be used, and return the exit status instead."""
    secrets = []
    for name in options.secret_file:
        try:
            secrets.append(load_secret(name))
        except InvalidValue as error:
            return usage_error(f"--secret-file {name}: {error.reason}")
        except OSError as error:
            return report_os_error(name, error)
    return secrets
