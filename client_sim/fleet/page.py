"""The report as one self-contained page: adoption beside the schedule, rates, anonymity sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from client_sim.fleet.report import Report
from client_sim.fleet.sentences import summarise
from client_sim.pages.charts import Curve, plot_curves
from client_sim.pages.page import Origin, make_environment

_SHOWN: Final = 40  # rows in the page's request table; JSON has all
_TEMPLATE: Final = make_environment(Path(__file__).parent / "templates").get_template("fleet.html")


def render_page(report: Report, origin: Origin) -> str:
    """Render the report as a whole self-contained page."""
    return _TEMPLATE.render(
        origin=origin,
        summary=summarise(report),
        report=report,
        shown=report.requests_seen[:_SHOWN],
        stretch=f"{report.hours * 60 / len(report.curve):.3g} minutes",
        outside=_tell_outside(report),
        adoption=plot_curves(
            "Adoption",
            "h",
            [
                Curve("let in", "two", [(p.hours, p.reached) for p in report.curve], True),
                Curve("arrived", "one", [(0, 0), *((p.hours, p.arrived) for p in report.curve)]),
            ],
            is_share=True,
        ),
        polls=plot_curves(
            "Polls", "h", [_curve_of("polls", [(p.hours, p.polls) for p in report.curve])]
        ),
        rates=plot_curves("Requests a second", "s", [_curve_of("requests", report.rates)]),
        sizes=plot_curves("Bytes a second", "s", [_curve_of("bytes", report.byte_rates)]),
        latencies=plot_curves(
            "Latencies",
            "ms",
            [Curve("answered", "one", report.answered_within)],
            is_share=True,
        ),
        anonymity=plot_curves(
            "Anonymity sets",
            "requests",
            [
                Curve(
                    "phones",
                    "one",
                    _steps([phones for _, _, phones in report.requests_seen]),
                    is_stepped=True,
                )
            ],
        ),
    )


def _curve_of(name: str, ends: Sequence[tuple[float, float]]) -> Curve:
    """Return the curve of what was counted up to each x: it holds from the x before to this one.

    A line between points would hide an interval in which nothing was counted.
    """
    begins = [0.0, *(x for x, _ in ends)]
    heights = [y for _, y in ends]
    return Curve(name, "one", list(zip(begins, [*heights, *heights[-1:]], strict=False)), True)


def _steps(heights: list[int]) -> list[tuple[float, float]]:
    """Return the points of steps, each one wide."""
    return [*enumerate(heights), *((len(heights), height) for height in heights[-1:])]


def _tell_outside(report: Report) -> str:
    if not report.outside_the_grammar:
        return "Every one of them is in the request table."
    return f"{report.outside_the_grammar} are not in the request table, which must not be."
