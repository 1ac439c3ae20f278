"""Draws the results as SVG: a panel per scenario, a bar per server, relative to nginx."""

from xml.etree.ElementTree import Element

from benchmarks.device.record import Record
from benchmarks.device.report import Report
from client_sim.pages import charts

# The scenario, the column to draw, and the goal to mark.
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
WIDTH, LEFT, RIGHT = 520, 190, 60  # widths of a panel, its names and its numbers
ROW, BAR, HEAD, GAP = 22, 14, 48, 22
MARGIN = 24


def draw(record: Record) -> str:
    """Return the plot as SVG."""
    reports = {report.name: report for report in record.reports}
    chosen = [
        (reports[name], reports[name].columns.index(column), goal, column)
        for name, column, goal in PANELS
        if name in reports and reports[name].rows
    ]
    lines = [chosen[begin : begin + COLUMNS] for begin in range(0, len(chosen), COLUMNS)]
    heights = [HEAD + ROW * max(len(report.rows) for report, *_ in line) + GAP for line in lines]
    width, height = 2 * MARGIN + COLUMNS * WIDTH + (COLUMNS - 1) * GAP, MARGIN + sum(heights)
    picture = charts.open_picture(
        "Polls and downloads beside the peers",
        width,
        height,
        xmlns="http://www.w3.org/2000/svg",
        style="font:13px system-ui,sans-serif",
    )
    picture.attrib |= {"width": str(width), "height": str(height)}  # no page sets its size
    charts.draw(picture, "rect", width=width, height=height, fill="#ffffff")
    for number, line in enumerate(lines):
        top = MARGIN + sum(heights[:number])
        for place, (report, column, goal, what) in enumerate(line):
            _draw_panel(picture, report, column, goal, what, MARGIN + place * (WIDTH + GAP), top)
    return charts.write_picture(picture) + "\n"


def _draw_panel(
    picture: Element,
    report: Report,
    column: int,
    goal: float | None,
    what: str,
    left: int,
    top: int,
) -> None:
    values = [(name, cells[column] or 0.0) for name, cells in report.rows]
    scale = (WIDTH - LEFT - RIGHT) / max(*(value for _, value in values), goal or 0.0, 1.0)
    zero = left + LEFT
    _write(picture, left, top + 14, report.title, INK, font_weight="600")
    _write(picture, left, top + 32, f"{what}{', goal in red' if goal else ''}", QUIET)
    for number, (name, value) in enumerate(values):
        y, width = top + HEAD + number * ROW, max(1.0, value * scale)
        colour = OURS if name == "hening" else OTHERS
        charts.draw(picture, "rect", x=zero, y=y, width=width, height=BAR, rx=2, fill=colour)
    bottom = top + HEAD + len(values) * ROW - (ROW - BAR)
    for mark, colour, dashes in [(1.0, QUIET, "2 3"), *([(goal, GOAL, "none")] if goal else [])]:
        x = zero + mark * scale
        charts.draw(
            picture,
            "line",
            x1=x,
            x2=x,
            y1=top + HEAD - 4,
            y2=bottom + 4,
            stroke=colour,
            stroke_dasharray=dashes,
        )
    for number, (name, value) in enumerate(values):  # last, so that no line crosses them
        y = top + HEAD + number * ROW + BAR - 2
        ink, weight = (INK, "600") if name == "hening" else (QUIET, "400")
        _write(picture, zero - 8, y, name, ink, text_anchor="end", font_weight=weight)
        _write(picture, zero + value * scale + 6, y, f"{value:.2f}", ink, font_weight=weight)


def _write(picture: Element, x: float, y: float, text: str, colour: str, **more: str) -> None:
    halo = {"paint_order": "stroke", "stroke": "#ffffff", "stroke_width": "3"}
    charts.draw(picture, "text", text, x=x, y=y, fill=colour, **halo, **more)
