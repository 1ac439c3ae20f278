"""Measures the device plane and its peers; each performance goal gets a row with a verdict.

    python -m benchmarks.device [SCENARIO…] [--rounds 3] [--seconds 4] [--json FILE]

Server on core 0, load on core 1, loopback, alternating rounds, medians of their ratios. The results
are only meaningful on an otherwise idle machine.
"""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.device.catalogue import SCENARIOS
from benchmarks.device.lab import Lab
from benchmarks.device.machine import look_at_machine, raise_descriptors
from benchmarks.device.record import Record, save_record
from benchmarks.device.report import Report
from benchmarks.device.state import make_site
from benchmarks.device.table import print_claims, print_report

WIDTH = 120  # columns, if the output is not a terminal


def main() -> None:
    """Run the given scenarios, by default all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", nargs="*", help=f"any of {', '.join(SCENARIOS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one run of a load")
    parser.add_argument("--scale", type=float, default=1.0, help="big scenarios' size, up to 1")
    parser.add_argument("--package", type=int, default=1024, help="size of the package in MiB")
    parser.add_argument("--json", type=Path, help="write all results to this file")
    parser.add_argument("--verbose", action="store_true", help="print each run")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.scenario if name not in SCENARIOS]:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    raise_descriptors()
    machine = look_at_machine()
    console.print(str(machine))
    reports: list[Report] = []
    with tempfile.TemporaryDirectory() as place, contextlib.suppress(KeyboardInterrupt):
        folder = Path(place)

        def tell(line: str) -> None:
            if chosen.verbose:
                console.print(line, highlight=False)

        site = make_site(folder / "state", 10, chosen.package, tell)
        lab = Lab(site, folder, chosen.seconds, chosen.rounds, chosen.scale, tell)
        for name in chosen.scenario or SCENARIOS:
            reports.append(SCENARIOS[name](lab))
            print_report(console, reports[-1])
    print_claims(console, reports)
    for name in lab.missing:
        console.print(f"{name} is not installed, so it was left out.")
    if chosen.json:
        record = Record(machine, chosen.rounds, chosen.seconds, lab.missing, reports)
        save_record(chosen.json, record)


if __name__ == "__main__":
    main()
