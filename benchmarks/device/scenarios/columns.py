"""The columns of tables of rates."""

from benchmarks.device.report import Row
from benchmarks.device.rounds import Rounds, median, ratio

REFERENCE = "nginx"
COLUMNS = ["per second", "per CPU second", "to nginx", "to nginx per CPU s", "server's cores"]


def rate_rows(results: Rounds) -> list[Row]:
    """Return a row of medians for each variant."""
    return [
        (
            variant,
            [
                median(runs, lambda run: run.rate),
                median(runs, lambda run: run.per_cpu),
                ratio(results, variant, REFERENCE, lambda run: run.rate),
                ratio(results, variant, REFERENCE, lambda run: run.per_cpu),
                median(runs, lambda run: run.cores),
            ],
        )
        for variant, runs in results.items()
    ]
