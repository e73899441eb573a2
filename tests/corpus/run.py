"""Run a parser of journal reports over the corpus, and say where it reads something else than the expectations.

    python tests/corpus/run.py [options] COMMAND [ARGUMENT ...]

The command is run once for each case, with the message on standard input. In its arguments, `{file}` is replaced by the path of
the message and `{read_as}` by the format that the caller knows; an argument with `{read_as}` is left out for the other cases.
README.md beside this file describes the keys that the command prints. Needs Python 3.11 or later, and nothing else.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

CORPUS = Path(__file__).parent
BOUNCES = "undeliverable"
# The keys that are compared unless others are named, by folder: what every parser should find.
USUAL = {"": ("sender", "recipients", "original"), BOUNCES: ("report", "report_id")}
# Keys of an expectation that are not found in a message.
GIVEN = {"about", "read_as", "refused"}
# The value of a key that an expectation does not have, if it is not null.
ABSENT: dict[str, Any] = {
    "format": "envelope",
    "recipients_from": "envelope",
    **dict.fromkeys(("marker", "report_id", "sender", "sender_display_name", "subject", "message_id"), ""),
    **{key: [] for key in ("recipients", "kinds", "defects", "unparsed", "status")},
    "offsets": {},
}
# Parts of values that are compared. Other parts may be there.
COMPARED = {
    "recipients": ("role", "address", "expanded_from", "forwarded_from", "display_name"),
    "status": ("recipient", "action", "status", "diagnostic", "original_recipient", "remote_mta"),
    **dict.fromkeys(("original", "decrypted", "report"), ("size", "sha256")),
}
AGREES, DIFFERS, FAILS = "agrees", "differs", "fails"


class Result(NamedTuple):
    """What became of one case: `outcome` is one of `AGREES`, `DIFFERS` and `FAILS`; `details` are lines for people."""

    name: str
    outcome: str
    details: tuple[str, ...] = ()


def schema_keys(folder: str) -> list[str]:
    """The keys that can be compared in a folder."""
    schema = json.loads((CORPUS / "schemas" / f"{folder or 'report'}.json").read_text(encoding="utf-8"))
    return [key for key in schema["oneOf"][0]["properties"] if key not in GIVEN]


def cases(folder: str, pattern: str) -> list[Path]:
    """The messages of a folder with names that match."""
    return [path.with_suffix(".eml") for path in sorted((CORPUS / folder).glob(f"{pattern}.json"))]


def judge(path: Path, command: Sequence[str], keys: Sequence[str], *, codes: bool, timeout: float) -> Result:
    """Run the command for one case, and compare what it prints with the expectation."""
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    try:
        found = ask(path, command, expected.get("read_as"), timeout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return Result(path.stem, FAILS, (str(error).partition("\n")[0],))
    details = tuple(differences(expected, found, keys, codes=codes))
    if details:
        return Result(path.stem, DIFFERS, (expected["about"], *details))
    return Result(path.stem, AGREES)


def ask(path: Path, command: Sequence[str], read_as: str | None, timeout: float) -> dict[str, Any] | None:
    """Return the object that the command prints for a message, None if it prints nothing or null: it refuses the message.

    Raises ValueError if it does neither.
    """
    words = [word.replace("{file}", str(path)) for word in command if read_as or "{read_as}" not in word]
    words = [word.replace("{read_as}", read_as or "") for word in words]
    done = subprocess.run(words, input=path.read_bytes(), capture_output=True, timeout=timeout, check=False)
    if done.returncode not in {0, 1}:
        raise ValueError(f"the command ended with status {done.returncode}")
    if not done.stdout.strip():
        return None
    found = json.loads(done.stdout)
    if found is not None and not isinstance(found, dict):
        raise ValueError("the command printed neither an object nor null")
    return found


def differences(
    expected: dict[str, Any], found: dict[str, Any] | None, keys: Sequence[str], *, codes: bool
) -> Iterator[str]:
    """Yield a line for each difference between an expectation and what was found."""
    is_refused = found is None or "refused" in found
    if ("refused" in expected) != is_refused:
        yield f"expected to be refused ({expected['refused']})" if "refused" in expected else "was refused"
        return
    if is_refused:
        if codes and (found or {}).get("refused") != expected["refused"]:
            yield f"refused: expected {expected['refused']!r}, found {(found or {}).get('refused')!r}"
        return
    assert found is not None
    for key in keys:
        wanted, value = (comparable(key, one.get(key, ABSENT.get(key))) for one in (expected, found))
        if key == "offsets" and isinstance(value, dict):
            # An expectation has the offsets of some codes.
            value = {code: value.get(code) for code in wanted}
        if wanted != value:
            yield f"{key}: expected {json.dumps(wanted)}, found {json.dumps(value)}"


def comparable(key: str, value: Any) -> Any:
    """A value without what is not compared: other parts, the order of defects, and whether NUL was replaced by U+2400."""
    if key in COMPARED:
        if isinstance(value, list):
            return [comparable(key, one) for one in value]
        if isinstance(value, dict):
            return {name: value[name] for name in COMPARED[key] if value.get(name) not in (None, "")}
    if key == "defects" and isinstance(value, list):
        return sorted([str(one["code"] if isinstance(one, dict) else one) for one in value])
    if key == "unparsed" and isinstance(value, list):
        return [str(one).replace("\0", "\u2400") for one in value]
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the corpus, and return the exit status: 0 if the parser agrees with every case."""
    parser = argparse.ArgumentParser(prog="run.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--bounces", action="store_true", help="run the bounces, which hold reports, instead of the reports"
    )
    parser.add_argument("--only", default="*", metavar="GLOB", help="run the cases with matching names")
    parser.add_argument(
        "--keys",
        metavar="KEY,KEY",
        help="compare these keys, or all (default: sender,recipients,original; report,report_id)",
    )
    parser.add_argument("--codes", action="store_true", help="compare the codes of refusals as well")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for one case (default: 60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="commands at a time")
    parser.add_argument("--verbose", action="store_true", help="print a line for each case that agrees as well")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="the parser and its arguments")
    options = parser.parse_args(arguments)
    command = options.command[options.command[:1] == ["--"] :]
    folder = BOUNCES if options.bounces else ""
    known = schema_keys(folder)
    keys = known if options.keys == "all" else options.keys.split(",") if options.keys else USUAL[folder]
    if not command:
        parser.error("a command is required")
    if unknown := set(keys) - set(known):
        parser.error(f"--keys: unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    paths = cases(folder, options.only)
    if not paths:
        parser.error("--only: no case has such a name")
    counts: Counter[str] = Counter()
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(
            lambda path: judge(path, command, keys, codes=options.codes, timeout=options.timeout), paths
        ):
            counts[result.outcome] += 1
            if result.outcome != AGREES or options.verbose:
                print(f"{result.outcome:<8} {result.name}", *result.details, sep="\n  ")
    print(f"{counts[AGREES]} agree, {counts[DIFFERS]} differ, {counts[FAILS]} fail")
    return int(counts[AGREES] != len(paths))


if __name__ == "__main__":
    sys.exit(main())
