"""Measures of intervals, computed by hand, and their pictures."""

import math
from xml.etree import ElementTree as ET

import pytest

from client_sim.lab.report.html.plots import (
    cumulate,
    measure_intervals,
    plot_circle,
    plot_cumulative,
    plot_histogram,
)
from tests.cases import case

EVEN = [14_400 + 14_400 * (step + 0.5) / 160 for step in range(160)]


def test_measures_of_intervals():
    """Even intervals fill each bin equally and have no direction; equal ones fill one bin.

    The bounds are those of Dvoretzky-Kiefer-Wolfowitz and of Rayleigh at one in a million.
    """
    measured = measure_intervals(EVEN)
    assert measured.counts == (10,) * 16
    assert measured.concentration == pytest.approx(0, abs=1e-9)
    assert measured.distance == pytest.approx(0.5 / 160)
    assert (measured.outside, measured.total) == (0, 160)
    measured = measure_intervals([18_000.0] * 40)
    assert measured.counts[4] == 40
    assert measured.concentration == pytest.approx(1)
    assert measured.direction == pytest.approx(math.pi / 2)
    assert measured.distance == pytest.approx(0.75)
    assert measured.concentration > measured.concentration_bound
    assert measured.distance > measured.distance_bound
    measured = measure_intervals(EVEN)
    assert measured.distance_bound == pytest.approx(math.sqrt(math.log(2e6) / 320))
    assert measured.concentration_bound == pytest.approx(math.sqrt(math.log(1e6) / 160))
    measured = measure_intervals([14_399, 14_400, 28_800, 28_801])
    assert measured.counts == (1, *([0] * 14), 1)
    assert measured.outside == 2
    assert measure_intervals([]) is None
    assert cumulate([14_400, 21_600, 21_601, 28_800], 2) == ((0, 0.25), (0.5, 0.5), (1, 1))


def test_pictures_show_the_measures():
    """Bars of even draws reach the dashed line; each has its number as a title.

    Equal intervals turn the arrow to their hour: five hours are at a quarter of the circle. The
    curve goes from corner to corner.
    """
    picture = ET.fromstring(plot_histogram(measure_intervals(EVEN)))
    bars = picture.findall("rect")
    (level,) = [line.get("y1") for line in picture.iter("line") if line.get("class") == "expected"]
    assert {bar.get("y") for bar in bars} == {level}
    assert [bar.find("title").text for bar in bars][:2] == ["4 to 4.25 h: 10", "4.25 to 4.5 h: 10"]
    picture = ET.fromstring(plot_circle(measure_intervals([18_000.0] * 9)))
    (arrow,) = [line for line in picture.iter("line") if line.get("class") == "mean"]
    x1, y1, x2, y2 = (float(arrow.get(name)) for name in ("x1", "y1", "x2", "y2"))
    assert (x2 - x1, y2 - y1) == pytest.approx((88, 0), abs=0.01)
    picture = ET.fromstring(plot_cumulative(EVEN))
    points = picture.find("polyline").get("points").split()
    assert (points[0], points[-1]) == ("34.00,180.00", "310.00,12.00")
    for intervals in ([5.0], [14_400.0], [1e9, 1e9], [float("-1e300")]):
        with case(intervals):
            measured = measure_intervals(intervals)
            for drawn in (
                plot_histogram(measured),
                plot_circle(measured),
                plot_cumulative(intervals),
            ):
                assert ET.fromstring(drawn).find("title").text
