"""Curves as SVG."""

from xml.etree import ElementTree as ET

import pytest

from client_sim.pages.charts import Curve, find_ticks, plot_curves


def paths(svg):
    """Return the `d` of each curve; the text must be well-formed XML."""
    return [each.get("d") for each in ET.fromstring(svg).iter() if each.tag == "path"]


def test_curves():
    """0 is at the lower left of the frame (62, 216), the maximum at the upper right (468, 14).

    Steps are horizontal first. Without any point the frame is empty.
    """
    straight = Curve("c", "one", [(0, 0.0), (24, 1.0)])
    steps = Curve("c", "two", [(0, 0), (12, 1), (24, 1)], True)
    for curve, path in (
        (straight, "M62.0 216.0L468.0 14.0"),
        (steps, "M62.0 216.0H265.0V14.0H468.0V14.0"),
    ):
        assert paths(plot_curves("t", "h", [curve], is_share=True)) == [path]
    assert paths(plot_curves("t", "s", [Curve("c", "one", [])])) == [""]


def test_axes_have_round_numbers():
    """The y axis has quarters of the next round number, and the x axis has its unit."""
    svg = plot_curves("t", "s", [Curve("c", "one", [(1, 3.0), (10, 31_000.0)])])
    labels = [each.text for each in ET.fromstring(svg).iter() if each.tag == "text"]
    assert labels[:5] == ["0", "8000", "16k", "24k", "32k"]
    assert labels[5:] == ["0", "2", "4", "6", "8", "10", "s"]


def test_ticks_are_multiples_of_a_round_number():
    """No tick is above the maximum."""
    for most, ticks in (
        (24, [0, 6, 12, 18, 24]),
        (4.31, [0, 1, 2, 3, 4]),
        (23, [0, 6, 12, 18]),
        (0.9, [0, 0.2, 0.4, 0.6, 0.8]),
        (600, [0, 200, 400, 600]),
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ):
        assert find_ticks(most) == pytest.approx(ticks)


def test_titles_are_escaped():
    """Names from a server are untrusted data."""
    svg = plot_curves("<b>", "h", [Curve("<script>", "one", [(0, 0)])])
    assert "<b>" not in svg
    assert "<script>" not in svg
