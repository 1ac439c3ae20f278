"""The picture of docs/PERFORMANCE.md."""

from types import SimpleNamespace
from xml.etree import ElementTree as ET

from benchmarks.device.plot import draw
from benchmarks.device.report import Report

SVG = "{http://www.w3.org/2000/svg}"


def test_chart_of_a_scenario():
    """Bars have names and numbers beside them; one mark is at 1 and one at the goal."""
    rows = [("hening", [2.0]), ("a <peer>", [1.0])]
    shown = Report("phone", "Polls", ["to nginx per CPU s"], rows, [])
    left_out = Report("idle", "Idle", ["MiB"], rows, [])
    picture = ET.fromstring(draw(SimpleNamespace(reports=[shown, left_out])))
    texts = [each.text for each in picture.iter(f"{SVG}text")]
    assert texts[:2] == ["Polls", "to nginx per CPU s, goal in red"]
    assert texts[2:] == ["hening", "2.00", "a <peer>", "1.00"]
    ground, ours, peer = (float(each.get("width")) for each in picture.iter(f"{SVG}rect"))
    assert ours == 2 * peer
    assert len(list(picture.iter(f"{SVG}line"))) == 2
    assert ground == float(picture.get("width"))
