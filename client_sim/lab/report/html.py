"""The verdict as HTML that needs nothing from elsewhere: no script, no style sheet, no image."""

from typing import Final

from jinja2 import Environment, StrictUndefined

from client_sim.lab.programme.verdict import Verdict
from client_sim.lab.report.dump import dump

STYLE: Final = """
.verdict{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;
color:#1b1b1f}
.verdict h2{margin:0 0 .25rem}
.verdict .badge{display:inline-block;padding:.1rem .6rem;border-radius:1rem;color:#fff;
font-weight:600;white-space:nowrap}
.verdict .clean{background:#1a7f37}.verdict .leak{background:#b3261e}
.verdict table{border-collapse:collapse;width:100%;margin:1rem 0}
.verdict th,.verdict td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #ddd;
vertical-align:top}
.verdict .number{text-align:right;font-variant-numeric:tabular-nums}
.verdict pre{font:13px/1.45 ui-monospace,monospace;background:#f6f6f8;padding:.6rem;overflow-x:auto;
border-radius:.4rem}
.verdict mark{background:#ffd54f;color:#000}
.verdict details{margin:.5rem 0}.verdict .where{color:#555}
@media(prefers-color-scheme:dark){.verdict{color:#e6e6ea;background:#1b1b1f}
.verdict pre{background:#26262c}.verdict th,.verdict td{border-color:#444}
.verdict .where{color:#aaa}}
"""

_FRAGMENT: Final = """
{%- macro shown(text, marked) -%}
{% if marked %}<mark>{{ text }}</mark>{% else %}{{ text }}{% endif %}
{%- endmacro -%}
{%- macro rows(octets, offset, length, around=32) -%}
<pre>{% for row in dump(octets, offset, length, around) -%}
{{ "%06x" % row.offset }}  {% for marked, digits, _ in row.runs() -%}
{{ shown(digits, marked) }} {% endfor -%}
{{ "   " * (16 - row.cells|length) }} {% for marked, _, signs in row.runs() -%}
{{ shown(signs, marked) }}{% endfor %}
{% endfor %}</pre>
{%- endmacro -%}
<section class="verdict">
<h2>{{ verdict.client }}
<span class="badge {{ 'clean' if verdict.is_clean else 'leak' }}">
{{- verdict.word }}</span></h2>
<p>{{ verdict.scenario }}: {{ verdict.runs }} runs of {{ verdict.personas }} owners,
{{ verdict.polls }} polls, {{ verdict.octets }} octets.</p>
<div class="scroll" style="overflow-x:auto"><table>
<thead><tr><th>check</th><th>question</th><th class="number">cases</th><th>result</th></tr>
</thead><tbody>
{% for check in verdict.checks -%}
<tr><td>{{ check.name }}</td><td>{{ check.question }}</td><td class="number">{{ check.cases }}</td>
<td><span class="badge {{ 'clean' if check.passed else 'leak' }}">
{{- 'passed' if check.passed else '%d found' % check.count }}</span></td></tr>
{% endfor %}</tbody></table></div>
{% for check in verdict.checks if not check.passed -%}
<details{{ ' open' if loop.first }}><summary>{{ check.name }}: {{ check.count }} found</summary>
{% for finding in check.findings -%}
<p><span class="where">{{ finding.where }}, offset {{ finding.offset }}</span><br>
{{ finding.explanation }}</p>
{{ rows(finding.octets, finding.offset, finding.length) }}
{% if finding.other is not none %}<p class="where">where the other has</p>
{{ rows(finding.other, finding.offset, finding.length) }}{% endif %}
{% endfor %}</details>
{% endfor -%}
<details><summary>everything that left in one run</summary>
{% for outcome in verdict.sample.outcomes -%}
<p>poll {{ loop.index }} decided: {{ outcome }}</p>
{% endfor -%}
{% for connection in verdict.sample.connections() -%}
<p class="where">connection {{ connection.index + 1 }}, {{ connection.phase }}, to
{{ connection.target.decode("latin-1") }}</p>
{{ rows(connection.octets[:4096], 0, 0, 4096) }}
{% endfor %}</details>
</section>
"""

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ verdict.client }}: {{ verdict.word }}</title>
<style>{{ style|safe }}</style></head><body>
{{ fragment|safe }}
</body></html>
"""

# Captured octets are data from strangers: everything that is shown is escaped.
_ENVIRONMENT: Final = Environment(autoescape=True, undefined=StrictUndefined)
_FRAGMENT_TEMPLATE: Final = _ENVIRONMENT.from_string(_FRAGMENT)
_PAGE_TEMPLATE: Final = _ENVIRONMENT.from_string(_PAGE)


def render_fragment(verdict: Verdict) -> str:
    """Render a `<section>` for a larger page, which must carry `STYLE`."""
    return _FRAGMENT_TEMPLATE.render(verdict=verdict, dump=dump)


def render_html(verdict: Verdict) -> str:
    """Render a whole self-contained page."""
    return _PAGE_TEMPLATE.render(verdict=verdict, style=STYLE, fragment=render_fragment(verdict))
