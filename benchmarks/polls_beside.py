"""Measure phones' polls of a running server, alone and while a command attacks the server.

    python -m benchmarks.polls_beside PORT [--rounds 3] [--seconds 10] -- COMMAND…

Each round first polls the server without the attack. Then it starts the command, polls again, and
ends the command with SIGTERM. The goal: p99 during the attack is at most 3 times p99 alone.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial

from rich.console import Console

from benchmarks.device.load.open import run
from benchmarks.device.load.spec import OpenSpec, go_first
from benchmarks.device.measured import Measured
from benchmarks.device.phone import idle_poll
from benchmarks.device.report import Claim, Report, Row
from benchmarks.device.rounds import alternate, median, ratio
from benchmarks.device.table import print_claims, print_report
from benchmarks.device.wire import phone_request

GOAL = 3.0
COLUMNS = ["p50 ms", "p99 ms", "worst ms", "polls per second", "failed"]


def main() -> None:
    """Measure, print, and exit with status 1 if the goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("port", type=int, help="port of the device plane, on 127.0.0.1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of one run")
    parser.add_argument("--rate", type=float, default=200.0, help="polls per second")
    parser.add_argument("--settle", type=float, default=2.0, help="seconds from attack to polls")
    parser.add_argument("command", nargs="+", help="the attack, after --")
    chosen = parser.parse_args()
    asked = [phone_request(chosen.port, path).decode() for path in idle_poll(chosen.port)]
    spec = OpenSpec(port=chosen.port, seconds=chosen.seconds, requests=asked, rate=chosen.rate)
    go_first()

    def attacked() -> Measured:
        with _running(chosen.command, chosen.settle):
            return run(spec)

    # One attempt: the attack uses CPU outside the load and its server, so no run counts as quiet.
    variants = {"alone": partial(run, spec), "beside the attack": attacked}
    results = alternate(variants, chosen.rounds, lambda _line: None, attempts=1)
    rows: list[Row] = [
        (
            name,
            [
                median(runs, lambda each: each.latencies["p50"]),
                median(runs, _p99),
                max(each.latencies["max"] for each in runs),
                median(runs, lambda each: each.rate),
                float(sum(each.failed for each in runs)),
            ],
        )
        for name, runs in results.items()
    ]
    value = ratio(results, "beside the attack", "alone", _p99)
    claim = Claim("polls' p99 to p99 alone", value, GOAL, "", at_least=False)
    console = Console(width=None if sys.stdout.isatty() else 120)
    print_report(console, Report("beside", "Phones' polls", COLUMNS, rows, [claim]))
    print_claims(console, [Report("beside", "", [], [], [claim])])
    sys.exit(not claim.holds)


def _p99(measured: Measured) -> float:
    return measured.latencies["p99"]


@contextlib.contextmanager
def _running(command: Sequence[str], settle: float) -> Iterator[None]:
    """Run the attack until the block ends, then end it with all processes of its session."""
    process = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - the caller's
    try:
        time.sleep(settle)
        if process.poll() is not None:
            sys.exit(f"the attack ended with status {process.returncode}")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


if __name__ == "__main__":
    main()
