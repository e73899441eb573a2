"""Print one Markdown table for each claim about speed and memory: python benchmarks/run.py [--quick] [--only NAME].

Bounds are printed and not asserted: machines are noisy, and a figure is worth a look before it is worth a failure.
"""

import argparse
import importlib

from measure import QUICK, THOROUGH, Claim, conditions, table, verdict

SCRIPTS = (
    "parse_against_email",
    "parse_against_find",
    "parse_against_peers",
    "many_recipients",
    "memory",
    "write_report",
    "importing",
    "hostile",
)


def main() -> None:
    """Run the scripts in order and print as they finish."""
    parser = argparse.ArgumentParser(description="Measure what the documentation says of speed and memory.")
    parser.add_argument("--quick", action="store_true", help="a short run: fewer rounds")
    parser.add_argument("--only", action="append", choices=SCRIPTS, metavar="NAME", help=", ".join(SCRIPTS))
    arguments = parser.parse_args()
    print(conditions() + (", quick" if arguments.quick else ""), end="\n\n", flush=True)
    seen: list[Claim] = []
    for name in arguments.only or SCRIPTS:
        for claim in importlib.import_module(name).claims(QUICK if arguments.quick else THOROUGH):
            seen.append(claim)
            print(table(claim), flush=True)
    print(verdict(seen))


if __name__ == "__main__":
    main()
