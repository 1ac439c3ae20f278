"""Draw the stacks that `py-spy record --native --format raw` wrote as a flame graph in SVG.

    python -m benchmarks.flame STACKS FILE

Frames with less than 1 % of the samples are left out. Record the stacks with the process id of a
worker as py-spy's `--pid`, under the load of `benchmarks.device`.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from client_sim.pages import charts

WIDTH, ROW, MARGIN, TOP = 1000, 17, 12, 34
LEAST = 0.01  # share of the samples below which a frame is not drawn
LETTER = 6.3  # width of a letter, in the units of the picture
INLINED = {"Py_DECREF", "Py_XDECREF"}  # inlined functions, which debug information names as frames
COLOURS = {
    "hening": "#8fd0cb",
    "OpenSSL": "#f0b98d",
    "uvloop, asyncio, ssl": "#b9cbe6",
    "C library, kernel": "#d9b3c4",
    "Python": "#dfe3e8",
}


@dataclass(slots=True)
class Frame:
    """A function, its component (a key of `COLOURS`), its samples, and the functions it called."""

    name: str
    kind: str
    samples: int = 0
    callees: dict[str, "Frame"] = field(default_factory=dict)


def main() -> None:
    """Read the stacks and write the picture."""
    stacks, picture = map(Path, sys.argv[1:])
    picture.write_text(draw(read_stacks(stacks.read_text()), stacks.stem), encoding="utf-8")


def read_stacks(text: str) -> Frame:
    """Return the root of all stacks; consecutive frames of the same name are merged into one.

    Frames in OpenSSL, and those in libc without a symbol, are named after the library.
    """
    root = Frame("all", "Python")
    for line in text.splitlines():
        stack, _, samples = line.rpartition(" ")
        count, frame = int(samples), root
        frame.samples += count
        for word in stack.split(";"):
            name, kind = _describe(word)
            if name == frame.name or name in INLINED:
                continue
            frame = frame.callees.setdefault(name, Frame(name, kind))
            frame.samples += count
    return root


def draw(root: Frame, title: str) -> str:
    """Return the picture: callers are above, and the width shows the samples."""
    least = root.samples * LEAST
    height = TOP + ROW * _depth(root, least) + MARGIN
    picture = charts.open_picture(
        f"Flame graph: {title}",
        WIDTH,
        height,
        xmlns="http://www.w3.org/2000/svg",
        style="font:10.5px ui-monospace,monospace",
    )
    picture.attrib |= {"width": f"{WIDTH}", "height": f"{height}"}  # no page sizes it
    charts.draw(picture, "rect", width=WIDTH, height=height, fill="#ffffff")
    for number, (kind, colour) in enumerate(COLOURS.items()):
        x = MARGIN + number * 190
        charts.draw(picture, "rect", x=x, y=10, width=12, height=12, fill=colour)
        charts.draw(picture, "text", kind, x=x + 18, y=20)
    _draw_frame(picture, root, MARGIN, TOP, (WIDTH - 2 * MARGIN) / root.samples, least)
    return charts.write_picture(picture) + "\n"


def _draw_frame(
    picture: Element, frame: Frame, x: float, y: int, scale: float, least: float
) -> None:
    width = frame.samples * scale
    box = charts.draw(
        *(picture, "rect"),
        x=x,
        y=y,
        width=max(0.5, width - 0.5),
        height=ROW - 1,
        fill=COLOURS[frame.kind],
    )
    share = frame.samples * scale / (WIDTH - 2 * MARGIN)
    charts.draw(box, "title", f"{frame.name}: {share:.1%}")
    letters = int((width - 6) / LETTER)
    if letters > 3:
        charts.draw(picture, "text", frame.name[:letters], x=x + 3, y=y + 12)
    for callee in sorted(frame.callees.values(), key=lambda each: -each.samples):
        if callee.samples >= least:
            _draw_frame(picture, callee, x, y + ROW, scale, least)
            x += callee.samples * scale


def _depth(frame: Frame, least: float) -> int:
    deeper = [each for each in frame.callees.values() if each.samples >= least]
    return 1 + max((_depth(each, least) for each in deeper), default=0)


def _describe(word: str) -> tuple[str, str]:
    """Return the name of a frame, and its component."""
    name, _, place = word.partition(" (")
    place = place.partition(":")[0].rstrip(")")
    if place.startswith(("libssl", "libcrypto")):
        return place.partition(".")[0], "OpenSSL"
    if place.startswith(("libc.", "ld-")):
        return name if not name.startswith("0x") else "libc", "C library, kernel"
    if place.startswith("server/"):
        return name, "hening"
    if place.startswith(("uvloop", "asyncio", "ssl.py", "loop.c", "_ssl", "stream.c", "core.c")):
        return name, "uvloop, asyncio, ssl"
    return name, "Python"


if __name__ == "__main__":
    main()
