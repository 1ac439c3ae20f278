"""Draws what was measured as SVG: one panel a scenario, one bar a server, nginx being 1."""

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.device.record import Record
from benchmarks.device.report import Report

# Scenario, the column that is drawn, and the goal that has a mark of its own.
PANELS = (
    ("phone", "to nginx per CPU s", 1.2),
    ("curl", "to nginx per CPU s", 1.0),
    ("unchanged", "to nginx per CPU s", 0.9),
    ("not-found", "to nginx per CPU s", None),
    ("fresh", "to nginx per CPU s", 0.9),
    ("mixed", "to nginx per CPU s", None),
    ("single", "to nginx", 1.0),
    ("blocks-16", "to nginx", 1.2),
)
OURS, OTHERS, GOAL = "#0b7a75", "#b8c0c8", "#c0392b"
INK, QUIET = "#1f2933", "#6b7785"
COLUMNS = 2
WIDTH, LEFT, RIGHT = 520, 190, 60  # of a panel, of its names, of its numbers
ROW, BAR, HEAD, GAP = 22, 14, 48, 22
MARGIN = 24


def draw(record: Record) -> str:
    """Return the picture."""
    reports = {report.name: report for report in record.reports}
    chosen = [
        (reports[name], reports[name].columns.index(column), goal, column)
        for name, column, goal in PANELS
        if name in reports and reports[name].rows
    ]
    parts: list[str] = []
    top = MARGIN
    for begin in range(0, len(chosen), COLUMNS):
        line = chosen[begin : begin + COLUMNS]
        for place, (report, column, goal, what) in enumerate(line):
            parts += _panel(report, column, goal, what, MARGIN + place * (WIDTH + GAP), top)
        top += HEAD + ROW * max(len(report.rows) for report, *_ in line) + GAP
    width = 2 * MARGIN + COLUMNS * WIDTH + (COLUMNS - 1) * GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}"'
        f' viewBox="0 0 {width} {top}" font-family="system-ui, sans-serif" font-size="13">\n'
        f'<rect width="{width}" height="{top}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(
    report: Report, column: int, goal: float | None, what: str, left: int, top: int
) -> Iterator[str]:
    values = [(name, cells[column] or 0.0) for name, cells in report.rows]
    scale = (WIDTH - LEFT - RIGHT) / max(*(value for _, value in values), goal or 0.0, 1.0)
    zero = left + LEFT
    yield _text(left, top + 14, report.title, INK, "font-weight='600'")
    yield _text(left, top + 32, f"{what}{', goal in red' if goal else ''}", QUIET)
    for number, (name, value) in enumerate(values):
        y, width = top + HEAD + number * ROW, max(1.0, value * scale)
        colour = OURS if name == "hening" else OTHERS
        yield (
            f'<rect x="{zero}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" fill="{colour}"/>'
        )
    bottom = top + HEAD + len(values) * ROW - (ROW - BAR)
    yield from _lines(zero, scale, goal, top + HEAD - 4, bottom + 4)
    for number, (name, value) in enumerate(values):  # last, for lines must not cross them out
        y = top + HEAD + number * ROW + BAR - 2
        ink, weight = (INK, "font-weight='600'") if name == "hening" else (QUIET, "")
        yield _text(zero - 8, y, name, ink, f"text-anchor='end' {weight}")
        yield _text(zero + value * scale + 6, y, f"{value:.2f}", ink, weight)


def _lines(zero: float, scale: float, goal: float | None, top: int, bottom: int) -> Sequence[str]:
    marks = [(1.0, QUIET, "2 3")] + ([(goal, GOAL, "")] if goal else [])
    return [
        f'<line x1="{zero + value * scale:.1f}" x2="{zero + value * scale:.1f}" y1="{top}"'
        f' y2="{bottom}" stroke="{colour}" stroke-dasharray="{dashes}"/>'
        for value, colour, dashes in marks
    ]


def _text(x: float, y: float, text: str, colour: str, more: str = "") -> str:
    halo = 'paint-order="stroke" stroke="#ffffff" stroke-width="3"'
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" {halo} {more}>{escape(text)}</text>'
