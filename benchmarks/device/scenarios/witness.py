"""The same polls by wrk, an independent load. It sleeps, which costs the fastest servers most."""

from contextlib import ExitStack
from functools import partial

from benchmarks.device.lab import Lab
from benchmarks.device.process import find
from benchmarks.device.report import Report
from benchmarks.device.rounds import Rounds, alternate
from benchmarks.device.scenarios.columns import COLUMNS, rate_rows
from benchmarks.device.scenarios.polls import SETTINGS
from benchmarks.device.state import TIMESTAMP
from benchmarks.device.wrk import run_wrk


def witness(lab: Lab) -> Report:
    """Run wrk against hening and nginx with each of its settings."""
    results: Rounds = {}
    if find("wrk"):
        with ExitStack() as stack:
            runs = {
                name: partial(run_wrk, server, TIMESTAMP, lab.seconds)
                for name, server in lab.start(stack, *SETTINGS).items()
            }
            results = alternate(runs, lab.rounds, lab.tell)
    return Report("witness", "The same polls by wrk", COLUMNS, rate_rows(results), [])
