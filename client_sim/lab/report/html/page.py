"""The report as a page, and as a fragment for other pages."""

from pathlib import Path
from typing import Any, Final

from client_sim.lab.programme.result import CLAIM_NAMES, CLAIMS, ProgrammeResult
from client_sim.lab.report.exchanges import list_polls
from client_sim.lab.report.html.plots import (
    measure_intervals,
    plot_circle,
    plot_cumulative,
    plot_histogram,
)
from client_sim.lab.report.kill_matrix import family_rows, leak_rows
from client_sim.lab.report.presentable import Presentable
from client_sim.lab.report.printable import dump
from client_sim.lab.report.wording import (
    NOT_VARIED,
    describe_claim,
    describe_coverage,
    describe_extent,
    describe_outcome,
    group_findings,
    group_outcomes,
)
from client_sim.pages.page import Origin, make_environment

_ENVIRONMENT: Final = make_environment(Path(__file__).parent / "templates")

STYLE: Final = _ENVIRONMENT.get_template("style.css").render()
"""The style sheet that a page with a fragment needs, in addition to that of `base.html`."""


def render_page(presentable: Presentable, origin: Origin) -> str:
    """Render the self-contained page; apart from `origin`, the same report gives the same bytes."""
    report = presentable.report
    result = report.result
    measured = measure_intervals(result.intervals)
    values: dict[str, Any] = {
        **_values(presentable),
        "origin": origin,
        "style": STYLE,
        "polls": list_polls(result.sample),
        "decided": list(group_outcomes(result.sample.outcomes)),
        "measured": measured,
        "missed": _missed(result),
    }
    if measured is not None:
        values["plots"] = {
            "histogram": plot_histogram(measured),
            "circle": plot_circle(measured),
            "cumulative": plot_cumulative(result.intervals),
        }
    if report.matrix is not None:
        oracles = report.matrix.oracles
        values["families"] = family_rows(report.matrix)
        values["leaks"] = leak_rows(report.matrix.rows, oracles)
        values["harmless"] = leak_rows(report.matrix.equivalents, oracles)
    return _ENVIRONMENT.get_template("page.html").render(values)


def render_fragment(presentable: Presentable) -> str:
    """Render verdict, claims and findings as a `<section>`; its page must carry `STYLE`."""
    return _ENVIRONMENT.get_template("fragment.html").render(_values(presentable))


def _values(presentable: Presentable) -> dict[str, Any]:
    result = presentable.report.result
    return {
        "report": presentable.report,
        "result": result,
        "outcome": describe_outcome(result),
        "claims": [
            (claim, statement, result.of_claim(claim)) for claim, statement in CLAIMS.items()
        ],
        "names": CLAIM_NAMES,
        "held": describe_claim,
        "extent": describe_extent(result),
        "not_varied": NOT_VARIED,
        "dump": dump,
        "gather": group_findings,
        "opened": _choose_expanded(result),
        "describe_coverage": describe_coverage,
    }


def _choose_expanded(result: ProgrammeResult) -> str:
    """Return the oracle whose findings are expanded: the one that names values, if it failed."""
    failed = result.failed()
    return min(failed, key=lambda oracle: (oracle != "canaries", oracle == "completes"), default="")


def _missed(result: ProgrammeResult) -> float | None:
    """Return the probability that random owners missed a leak that one in a thousand shows."""
    for battery in result.batteries:
        if battery.oracle == "personal":
            return float((1 - 0.001) ** battery.cases)
    return None
