"""Charts as SVG elements.

All text in a picture is escaped when the picture is written.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring


def open_picture(title: str, width: int, height: int, **attributes: str) -> Element:
    """Begin a picture of `width` by `height` units, which a browser scales.

    Screen readers read `title`.
    """
    given = {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": title, **attributes}
    picture = Element("svg", given)
    SubElement(picture, "title").text = title
    return picture


def draw(parent: Element, kind: str, text: str = "", **attributes: str | float) -> Element:
    """Add an element; `class_` is written as `class`, `text_anchor` as `text-anchor`."""
    made = SubElement(
        parent,
        kind,
        {name.rstrip("_").replace("_", "-"): _write(value) for name, value in attributes.items()},
    )
    if text:
        made.text = text
    return made


def write_picture(picture: Element) -> str:
    """Return a picture as markup that a page may include without escaping."""
    return tostring(picture, encoding="unicode", short_empty_elements=True)


def _write(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".")


_WIDTH, _HEIGHT = 480, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 14, 44
_GRID: Final = 4
_TOPS: Final = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve through `(x, y)` points; `style` is a CSS class of the page.

    With `is_stepped`, y is constant until the next x.
    """

    name: str
    style: str
    points: Sequence[tuple[float, float]]
    is_stepped: bool = False


def plot_curves(title: str, x_unit: str, curves: Sequence[Curve], *, is_share: bool = False) -> str:
    """Return a picture of `curves` over one x axis from 0; with `is_share`, y is in per cent."""
    most_x = max((x for curve in curves for x, _ in curve.points), default=1.0) or 1.0
    most_y = (
        1.0 if is_share else _round_up(max((y for c in curves for _, y in c.points), default=1))
    )
    picture = open_picture(title, _WIDTH, _HEIGHT, **{"class": "plot"})
    for step in range(_GRID + 1):
        share = step / _GRID
        y = _y(share)
        label = f"{share:.0%}" if is_share else _shorten(most_y * share)
        draw(picture, "line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y)
        draw(picture, "text", label, x=_LEFT - 6, y=y + 5, text_anchor="end")
    for x in find_ticks(most_x):
        across, y = _LEFT + x / most_x * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - 18
        draw(picture, "text", _shorten(x), x=round(across), y=y, text_anchor="middle")
    draw(picture, "text", x_unit, x=_WIDTH - _RIGHT, y=_HEIGHT - 2, text_anchor="end")
    for curve in curves:
        path = draw(picture, "path", class_=curve.style, d=_path(curve, most_x, most_y))
        draw(path, "title", curve.name)
    return write_picture(picture)


def find_ticks(most: float) -> list[float]:
    """Return three to six ticks: 0 and the multiples of a round number up to `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(
        each
        for part in (0.1, 1)
        for times in (1, 2, 3, 6)
        if most / (each := power * part * times) <= 5
    )
    return [step * index for index in range(int(most / step + 1e-9) + 1)]


def _path(curve: Curve, most_x: float, most_y: float) -> str:
    words: list[str] = []
    for x, y in curve.points:
        across = _LEFT + x / most_x * (_WIDTH - _LEFT - _RIGHT)
        up = _y(min(1.0, y / most_y))
        if not words:
            words.append(f"M{across:.1f} {up}")
        elif curve.is_stepped:
            words.append(f"H{across:.1f}V{up}")
        else:
            words.append(f"L{across:.1f} {up}")
    return "".join(words)


def _y(share: float) -> float:
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def _round_up(value: float) -> float:
    """Return the next higher round number whose quarters are round, too."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value > 0:
        power /= 10
    return next((power * each for each in _TOPS if power * each >= value), power * 10)


def _shorten(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return (
        f"{value / 1000:g}k"
        if value >= 10_000
        else f"{value:.3g}"
        if value < 1000
        else f"{value:.0f}"
    )
