"""Draw a wave as SVG: the phones waiting in its first minutes, and the polls of the day after."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from benchmarks.capacity.model import MEAN, ROOM, STEP, Wave, poll_rates, queue
from client_sim.pages import charts

OURS, OTHERS, GOAL = "#0b7a75", "#6b7785", "#c0392b"
INK, QUIET = "#1f2933", "#6b7785"
WIDTH, HEIGHT = 420, 310  # of a panel
LEFT, RIGHT, TOP, BOTTOM, MARGIN = 66, 20, 74, 40, 16
Points = Sequence[tuple[float, float]]


def draw(wave: Wave, cost: float, hours: float) -> str:
    """Return the picture; `cost` is the server's CPU seconds for one poll."""
    picture = charts.open_picture(
        f"{wave.phones:,} phones that wake within {wave.seconds:.0f} seconds",
        2 * WIDTH,
        HEIGHT,
        xmlns="http://www.w3.org/2000/svg",
        style="font:13px system-ui,sans-serif",
    )
    picture.attrib |= {"width": f"{2 * WIDTH}", "height": f"{HEIGHT}"}  # no page sizes it
    charts.draw(picture, "rect", width=2 * WIDTH, height=HEIGHT, fill="#ffffff")
    _Panel(picture, 0, "Phones that wait for an answer", "seconds", 90, 2 * ROOM).plot(
        [
            ("one core", GOAL, _waiting(wave, 1 / cost, ROOM)),
            ("two cores", OURS, _waiting(wave, 2 / cost, 2 * ROOM)),
        ]
    )
    rates = poll_rates(wave, hours)
    mean = wave.phones / MEAN
    day = [(minute * STEP / 3600, polls / STEP) for minute, polls in enumerate(rates) if minute]
    _Panel(picture, WIDTH, "Polls a second on the day behind it", "hours", hours, 2 * mean).plot(
        [
            ("drawn anew by each phone", OURS, day),
            (f"a fleet that has run for long: {mean:.1f}", OTHERS, [(0, mean), (hours, mean)]),
        ]
    )
    return charts.write_picture(picture) + "\n"


def _waiting(wave: Wave, capacity: float, room: int) -> Points:
    found = queue(wave, capacity, room)
    full = found.waiting / max(wave.rate - capacity, found.waiting / wave.seconds, 1.0)
    end = wave.seconds + found.longest
    return [(0, 0), (full, found.waiting), (wave.seconds, found.waiting), (end, 0)]


class _Panel:
    """Axes from 0 to `most_x` and `most_y`, at `left` in the picture."""

    def __init__(
        self, picture: Element, left: float, title: str, unit: str, most_x: float, most_y: float
    ) -> None:
        self._picture = picture
        self._left = left + LEFT
        self._most = most_x, most_y
        self._write(left + MARGIN, 22, title, INK, font_weight="600")
        for y in charts.find_ticks(most_y):
            up = self._place(0, y)[1]
            charts.draw(
                picture,
                "line",
                x1=self._left,
                x2=left + WIDTH - RIGHT,
                y1=up,
                y2=up,
                stroke="#e3e7eb",
            )
            self._write(self._left - 6, up + 4, f"{y:,.0f}", QUIET, text_anchor="end")
        for x in charts.find_ticks(most_x):
            across = self._place(x, 0)[0]
            self._write(across, HEIGHT - BOTTOM + 18, f"{x:,.0f}", QUIET, text_anchor="middle")
        self._write(left + WIDTH - RIGHT, HEIGHT - 6, unit, QUIET, text_anchor="end")

    def plot(self, curves: Sequence[tuple[str, str, Points]]) -> None:
        """Draw curves, with their names at the top of the panel."""
        for number, (name, colour, points) in enumerate(curves):
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self._place(*each) for each in points))
            charts.draw(
                self._picture, "polyline", points=path, fill="none", stroke=colour, stroke_width=2
            )
            self._write(self._left + 12, TOP - 32 + 16 * number, name, colour)

    def _place(self, x: float, y: float) -> tuple[float, float]:
        most_x, most_y = self._most
        width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        up = min(1.0, y / most_y) * height
        return self._left + x / most_x * width, HEIGHT - BOTTOM - up

    def _write(self, x: float, y: float, text: str, colour: str, **more: str) -> None:
        charts.draw(self._picture, "text", text, x=x, y=y, fill=colour, **more)
