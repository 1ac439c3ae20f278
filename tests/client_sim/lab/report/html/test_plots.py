"""Pictures of intervals: geometry by hand."""

from xml.etree import ElementTree as ET

import pytest

from client_sim.lab.report.html.plots import plot_circle, plot_cumulative, plot_histogram
from client_sim.lab.report.intervals import measure_intervals

EVEN = [14_400 + 14_400 * (step + 0.5) / 160 for step in range(160)]


def test_bars_reach_the_dashed_line_where_draws_are_even():
    """Ten in each of sixteen bins, each with its number as a title."""
    picture = ET.fromstring(plot_histogram(measure_intervals(EVEN)))
    bars = picture.findall("rect")
    (level,) = [line.get("y1") for line in picture.iter("line") if line.get("class") == "expected"]
    assert {bar.get("y") for bar in bars} == {level}
    assert [bar.find("title").text for bar in bars][:2] == ["4 to 4.25 h: 10", "4.25 to 4.5 h: 10"]


def test_a_habit_pulls_the_arrow_to_its_hour():
    """Five hours are a quarter of the way round: to the right of the centre."""
    picture = ET.fromstring(plot_circle(measure_intervals([18_000.0] * 9)))
    (arrow,) = [line for line in picture.iter("line") if line.get("class") == "mean"]
    x1, y1, x2, y2 = (float(arrow.get(name)) for name in ("x1", "y1", "x2", "y2"))
    assert (x2 - x1, y2 - y1) == pytest.approx((88, 0), abs=0.01)


def test_the_curve_climbs_from_corner_to_corner():
    """None are shorter than four hours, all are at most eight."""
    picture = ET.fromstring(plot_cumulative(EVEN))
    points = picture.find("polyline").get("points").split()
    assert (points[0], points[-1]) == ("34.00,180.00", "310.00,12.00")


@pytest.mark.parametrize("intervals", [[5.0], [14_400.0], [1e9, 1e9], [float("-1e300")]])
def test_odd_intervals_are_drawn(intervals):
    """None within the window, or one."""
    measured = measure_intervals(intervals)
    for drawn in (plot_histogram(measured), plot_circle(measured), plot_cumulative(intervals)):
        assert ET.fromstring(drawn).find("title").text
