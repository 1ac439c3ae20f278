"""The report as one self-contained page, without external scripts, style sheets or images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from jinja2 import Environment, StrictUndefined

from client_sim.fleet.report import Report
from client_sim.fleet.sentences import summarise

_WIDTH, _HEIGHT = 480, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 14, 44
_GRID: Final = 4
_TOPS: Final = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of `(x, y)`; `style` is a class of the page, `is_stepped` holds y until the next x."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]
    is_stepped: bool = False


def draw(title: str, x_unit: str, curves: Sequence[Curve], *, is_share: bool = False) -> str:
    """Return an `<svg>` of `curves` over the same x from 0 on; shares are drawn as per cent."""
    most_x = max((x for curve in curves for x, _ in curve.points), default=1.0) or 1.0
    most_y = (
        1.0 if is_share else _round_up(max((y for c in curves for _, y in c.points), default=1))
    )
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    parts = [f'<svg class="plot" viewBox="{box}" role="img" aria-label="{escape(title)}">']
    for step in range(_GRID + 1):
        share = step / _GRID
        y = _y(share)
        label = f"{share:.0%}" if is_share else _shorten(most_y * share)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 5}" text-anchor="end">{label}</text>')
    for x in find_ticks(most_x):
        across = _LEFT + x / most_x * (_WIDTH - _LEFT - _RIGHT)
        parts.append(
            f'<text x="{across:.0f}" y="{_HEIGHT - 18}" text-anchor="middle">{_shorten(x)}</text>'
        )
    parts.append(
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 2}" text-anchor="end">{escape(x_unit)}</text>'
    )
    for curve in curves:
        path = _path(curve, most_x, most_y)
        parts.append(f'<path class="{curve.style}" d="{path}"><title>{escape(curve.name)}</title>')
        parts.append("</path>")
    return "".join([*parts, "</svg>"])


def find_ticks(most: float) -> list[float]:
    """Return 0 and the multiples of a round number up to `most`, three to six of them."""
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
    """Return the next round number times a power of ten whose quarters are round, too."""
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


_SHOWN: Final = 40  # rows in the page's request table; JSON has all

_STYLE: Final = """
:root{--ink:#1b1b1f;--back:#fff;--soft:#5c5c66;--rule:#dcdce2;--one:#1f5fbf;--two:#c2570c}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6ea;--back:#1b1b1f;--soft:#a6a6b0;--rule:#41414a;
--one:#7fb0ff;--two:#f0a35e}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);margin:0 auto;
max-width:64rem;padding:1rem}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.75rem;
margin:1rem 0;padding:0}
.facts div{border:1px solid var(--rule);border-radius:.5rem;padding:.5rem .75rem}
.facts dt{color:var(--soft);font-size:.85rem}
.facts dd{margin:0;font-size:1.2rem;font-variant-numeric:tabular-nums}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}
figure{margin:0;display:flex;flex-direction:column;justify-content:flex-end}figcaption{font-weight:600}.key{color:var(--soft);font-weight:400}
.plot{width:100%;height:auto;display:block}.plot text{font-size:14px;fill:var(--soft)}
.grid{stroke:var(--rule)}.one,.two{fill:none;stroke-width:2.5;stroke-linejoin:round}
.one{stroke:var(--one)}.two{stroke:var(--two);stroke-dasharray:6 4}
b.one,b.two{font-weight:600}b.one{color:var(--one)}b.two{color:var(--two)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--rule);white-space:nowrap}
.number{text-align:right;font-variant-numeric:tabular-nums}
td.request{font:13px/1.4 ui-monospace,monospace;white-space:normal;
overflow-wrap:anywhere}
"""

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ title }}</title><style>{{ style|safe }}</style></head><body>
<h1>{{ title }}</h1>
{% for sentence in sentences %}<p>{{ sentence }}</p>
{% endfor %}<dl class="facts">
{% for fact in facts %}<div><dt>{{ fact.name }}</dt><dd>{{ fact.value }}</dd></div>
{% endfor %}</dl>
<div class="plots">
<figure><figcaption>Adoption <span class="key"><b class="one">phones on the newest build</b>,
<b class="two">share that the rollout lets in</b></span></figcaption>{{ adoption|safe }}</figure>
<figure><figcaption>Polls in {{ stretch }} of simulated time</figcaption>{{ polls|safe }}</figure>
<figure><figcaption>Requests a second, real time</figcaption>{{ rates|safe }}</figure>
<figure><figcaption>Bytes a second, real time</figcaption>{{ sizes|safe }}</figure>
<figure><figcaption>Answers within so many milliseconds</figcaption>{{ latencies|safe }}</figure>
<figure><figcaption>Anonymity sets: phones that sent each distinct request</figcaption>
{{ anonymity|safe }}</figure>
</div>
<h2>Requests, and how many phones share each</h2>
<p>A request tells of its sender that it is one of the phones that sent the same bytes: that many
are its anonymity set. {{ outside }}</p>
<div class="wide"><table><thead><tr><th>request</th><th class="number">distinct</th>
<th class="number">sent</th><th class="number">fewest phones</th><th class="number">most phones</th>
<th>may show the model</th></tr></thead><tbody>
{% for kind in report.kinds %}<tr><td>{{ kind.name }}</td>
<td class="number">{{ "{:,}".format(kind.distinct) }}</td>
<td class="number">{{ "{:,}".format(kind.sent) }}</td>
<td class="number">{{ "{:,}".format(kind.least) }}</td>
<td class="number">{{ "{:,}".format(kind.most) }}</td>
<td>{{ "yes, after the decision" if kind.shows_model else "no" }}</td></tr>
{% endfor %}</tbody></table></div>
<h2>The {{ shown|length }} requests with the most senders, of {{ report.requests_seen|length }}</h2>
<div class="wide"><table><thead><tr><th class="number">phones</th><th class="number">sent</th>
<th>request</th></tr></thead><tbody>
{% for request, sent, phones in shown %}<tr><td class="number">{{ "{:,}".format(phones) }}</td>
<td class="number">{{ "{:,}".format(sent) }}</td><td class="request">{{ request }}</td></tr>
{% endfor %}</tbody></table></div>
<h2>What ended early</h2>
{% if report.failures %}<div class="wide"><table><tbody>
{% for why, count in report.failures.items() %}<tr><td>{{ why }}</td>
<td class="number">{{ "{:,}".format(count) }}</td></tr>
{% endfor %}</tbody></table></div>{% else %}<p>Nothing.</p>{% endif %}
{% if report.mishaps %}<h2>The first failures of the server</h2><ul>
{% for mishap in report.mishaps %}<li>{{ mishap }}</li>
{% endfor %}</ul>{% endif %}
</body></html>
"""

# Names from a server are untrusted: everything that is shown is escaped.
_TEMPLATE: Final = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)


def render_page(report: Report) -> str:
    """Render the report as a whole self-contained page."""
    title, sentences, facts = summarise(report)
    return _TEMPLATE.render(
        title=title,
        sentences=sentences,
        facts=facts,
        report=report,
        shown=report.requests_seen[:_SHOWN],
        style=_STYLE,
        stretch=f"{report.hours * 60 / len(report.curve):.3g} minutes",
        outside=_tell_outside(report),
        adoption=draw(
            "Adoption",
            "h",
            [
                Curve("let in", "two", [(p.hours, p.reached) for p in report.curve], True),
                Curve("arrived", "one", [(0, 0), *((p.hours, p.arrived) for p in report.curve)]),
            ],
            is_share=True,
        ),
        polls=draw(
            "Polls", "h", [Curve("polls", "one", [(p.hours, p.polls) for p in report.curve])]
        ),
        rates=draw("Requests a second", "s", [Curve("requests", "one", report.rates)]),
        sizes=draw("Bytes a second", "s", [Curve("octets", "one", report.byte_rates)]),
        latencies=draw(
            "Latencies",
            "ms",
            [Curve("answered", "one", report.answered_within)],
            is_share=True,
        ),
        anonymity=draw(
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


def _steps(heights: list[int]) -> list[tuple[float, float]]:
    """Return the points of steps, each one wide."""
    return [*enumerate(heights), *((len(heights), height) for height in heights[-1:])]


def _tell_outside(report: Report) -> str:
    if not report.outside_the_grammar:
        return "Every one of them is in the request table."
    return f"{report.outside_the_grammar} are not in the request table, which must not be."
