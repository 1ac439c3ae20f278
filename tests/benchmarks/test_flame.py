"""The flame graphs of docs/PERFORMANCE.md."""

from xml.etree import ElementTree as ET

from benchmarks.flame import draw, read_stacks

SVG = "{http://www.w3.org/2000/svg}"
STACKS = """\
main (server/worker.py:1);Py_DECREF (object.h:5);0x1 (libssl.so.3);0x2 (libssl.so.3) 60
main (server/worker.py:2);write (libc.so.6) 139
main (server/worker.py:2);rare (x.py:1) 1
"""


def test_frame_widths():
    """A library's addresses are one frame; frames below a hundredth of the samples are omitted."""
    root = read_stacks(STACKS)
    (main,) = root.callees.values()
    assert {name: frame.samples for name, frame in main.callees.items()} == {
        "libssl": 60,
        "write": 139,
        "rare": 1,
    }
    picture = ET.fromstring(draw(root, "a poll"))
    boxes = {
        each.find(f"{SVG}title").text: float(each.get("width"))
        for each in picture.iter(f"{SVG}rect")
        if each.find(f"{SVG}title") is not None
    }
    assert list(boxes) == ["all: 100.0%", "main: 100.0%", "write: 69.5%", "libssl: 30.0%"]
    assert boxes["libssl: 30.0%"] == 0.3 * 976 - 0.5
