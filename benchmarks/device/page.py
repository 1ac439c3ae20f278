"""Writes the results into docs/PERFORMANCE.md, and the plot into docs/performance.svg.

    python -m benchmarks.device.page FILE…

Each FILE was written by `--json`. The text between the page's two marks is replaced.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.device.plot import draw
from benchmarks.device.record import Record, load_records
from benchmarks.device.table import number, verdict

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "PERFORMANCE.md"
PLOT = DOCS / "performance.svg"
BEGIN, END = "<!-- device:begin -->", "<!-- device:end -->"


def main() -> None:
    """Replace the text between the marks, and the plot."""
    record = load_records([Path(name) for name in sys.argv[1:]])
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        sys.exit(f"{PAGE} lacks its marks")
    middle = "\n".join(_lines(record))
    PAGE.write_text(f"{before}{BEGIN}\n{middle}\n{END}{after}", encoding="utf-8")
    PLOT.write_text(draw(record), encoding="utf-8")


def _lines(record: Record) -> Iterator[str]:
    yield f"Machine: {record.machine}."
    yield f"Rounds of each scenario: {record.rounds} or more, of {record.seconds:g} s or more."
    if record.missing:
        yield f"Not installed and left out: {', '.join(record.missing)}."
    yield ""
    yield "| must hold | seen | goal | | |"
    yield "| --- | --- | --- | --- | --- |"
    for report in record.reports:
        for claim in report.claims:
            sign = "≥" if claim.at_least else "≤"
            goal = f"{sign} {number(claim.goal)}"
            seen = number(claim.value)
            yield f"| {claim.what} | {seen} | {goal} | {claim.unit} | {verdict(claim)} |"
    yield ""
    yield f"![Polls and downloads beside the peers]({PLOT.name})"
    for report in record.reports:
        if not report.rows:
            continue
        yield ""
        yield f"**{report.title}.** {report.note}".rstrip()
        yield ""
        yield f"| {report.name} | {' | '.join(report.columns)} |"
        yield "| --- " * (len(report.columns) + 1) + "|"
        for name, cells in report.rows:
            yield f"| {name} | {' | '.join(map(number, cells))} |"


if __name__ == "__main__":
    main()
