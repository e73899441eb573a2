"""Measure each claim about speed and memory: python benchmarks/run.py [--quick] [--only NAME].

Prints one Markdown table for each claim, and writes the tables into RESULTS.md, except for those of a short run. Bounds are
printed, not asserted: machines are noisy, so a figure beyond its bound is a reason to look.
"""

import argparse
import importlib

import against_before
import results
from measure import QUICK, THOROUGH, Claim, conditions, table, verdict

SCRIPTS = (
    "parse_against_email",
    "parse_against_find",
    "parse_against_peers",
    "many_recipients",
    "memory",
    "write_report",
    "envelope_2003",
    "copies",
    "undeliverable",
    "decisions",
    "duplicates",
    "archives",
    "scale",
    "importing",
    "hostile",
    "against_before",
)


def main() -> None:
    """Run the scripts in order, and print each table when it is finished."""
    parser = argparse.ArgumentParser(description="Measure what the documentation says of speed and memory.")
    parser.add_argument("--quick", action="store_true", help="a short run: fewer rounds")
    parser.add_argument("--only", action="append", choices=SCRIPTS, metavar="NAME", help=", ".join(SCRIPTS))
    parser.add_argument("--before", metavar="REV", help="the git revision or folder that against_before compares with")
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else THOROUGH
    print(conditions() + (", quick" if arguments.quick else ""), end="\n\n", flush=True)
    known = results.RESULTS.read_text(encoding="utf-8") if results.RESULTS.exists() else ""
    seen: list[Claim] = []
    for name in arguments.only or SCRIPTS:
        if name != "against_before":
            found = importlib.import_module(name).claims(effort)
        elif arguments.only or arguments.before or against_before.is_possible():
            found = against_before.claims(effort, arguments.before)
        else:
            continue
        tables = []
        for claim in found:
            seen.append(claim)
            tables.append(table(claim))
            print(tables[-1], flush=True)
        if not arguments.quick:
            known = results.updated(known, SCRIPTS, {name: results.section(conditions(), tables)})
            results.RESULTS.write_text(known, encoding="utf-8")
    print(verdict(seen))


if __name__ == "__main__":
    main()
