"""An audit as a self-contained page: no script, no style sheet, no image."""

from typing import Final

from jinja2 import Environment, StrictUndefined

from client_sim.lab.captures.audit import Audit
from client_sim.lab.captures.showing import list_counts, printable, show_bits, show_name
from client_sim.lab.report.dump import dump

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>audit: {{ audit.verdict }}</title>
<style>
:root{color-scheme:light dark;--line:#d9d9e0;--soft:#f4f4f7;--dim:#5c5c66}
@media(prefers-color-scheme:dark){:root{--line:#44444c;--soft:#26262c;--dim:#a8a8b2}}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;
overflow-wrap:anywhere}
.badge{display:inline-block;padding:.1rem .7rem;border-radius:1rem;color:#fff;font-weight:600;
overflow-wrap:normal;white-space:nowrap}
th,.check{overflow-wrap:normal}
.good{background:#1a7f37}.bad{background:#b3261e}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
pre{font:13px/1.45 ui-monospace,monospace;background:var(--soft);padding:.6rem;overflow-x:auto;
border-radius:.4rem}
mark{background:#ffd54f;color:#000}.dim{color:var(--dim)}summary{cursor:pointer}
</style></head><body>
<h1>Audit of a capture <span class="badge {{ 'good' if audit.is_clean else 'bad' }}">
{{- audit.verdict }}</span></h1>
<p class="dim">
{%- if personal %}Personal values are shown: this page is for nobody else's eyes.
{%- else %}What may be about the owner is covered with asterisks.{% endif %}
{%- if audit.host is not none and not audit.is_told %} No host was given; the first that was seen,
{{ name(audit.host) }}, was taken for it.{% endif %}</p>
<h2>Seen</h2>
<div class="wide"><table><tbody>
{% for what, value in counts -%}
<tr><th scope="row">{{ what }}</th><td>{{ value }}</td></tr>
{% endfor %}</tbody></table></div>
{% for note in audit.capture.notes %}<p class="dim">{{ note }}</p>{% endfor %}
<h2>Asked</h2>
<div class="wide"><table>
<thead><tr><th>check</th><th>question</th><th class="number">cases</th><th>result</th></tr></thead>
<tbody>
{% for question in audit.questions -%}
<tr><td class="check">{{ question.name }}</td><td>{{ question.asks }}</td>
<td class="number">{{ question.cases }}</td>
<td><span class="badge {{ 'good' if question.passed else 'bad' }}">
{{- 'passed' if question.passed else '%d found' % question.count }}</span></td></tr>
{% endfor %}</tbody></table></div>
{% for question in audit.questions if not question.passed -%}
<details{{ ' open' if loop.first or question.name == 'canaries' }}>
<summary>{{ question.name }}: {{ question.count }} found
{%- if question.count > question.evidence|length %}, the first {{ question.evidence|length }} shown
{%- endif %}</summary>
{% for each in question.evidence -%}
<p><span class="dim">{{ printable(each.finding.where) }}, offset {{ each.offset }}</span><br>
{{ printable(each.finding.explanation) }}</p>
{% if each.finding.data -%}
<pre>{% for row in dump(each.finding.data, each.finding.offset, each.finding.length) -%}
{{ "%06x" % (row.offset + each.offset - each.finding.offset) }}  {% for marked, digits, _ in
row.runs() -%}
{{ shown(digits, marked) }} {% endfor -%}
{{ "   " * (16 - row.cells|length) }} {% for marked, _, signs in row.runs() -%}
{{ shown(signs, marked) }}{% endfor %}
{% endfor %}</pre>
{%- endif %}
{% endfor %}</details>
{% endfor -%}
<h2>Fields</h2>
<p>How many values each field had in this capture, how many bits those tell, and how many a value of
this length and alphabet can carry.</p>
<div class="wide"><table>
<thead><tr><th>field</th><th class="number">times</th><th class="number">values</th>
<th class="number">bits measured</th><th class="number">bits at most</th></tr></thead><tbody>
{% for row in audit.fields -%}
<tr><td>{{ name(row.name.encode()) }}</td><td class="number">{{ row.count }}</td>
<td class="number">{{ row.distinct }}</td><td class="number">{{ "%.2f" % row.measured }}</td>
<td class="number">{{ bits(row) }}</td></tr>
{% endfor %}</tbody></table></div>
</body></html>
"""

_MARKED: Final = (
    "{% macro shown(text, marked) -%}"
    "{% if marked %}<mark>{{ text }}</mark>{% else %}{{ text }}{% endif %}"
    "{%- endmacro %}"
)

# Captured bytes are untrusted: everything that is shown is escaped.
_TEMPLATE: Final = Environment(autoescape=True, undefined=StrictUndefined).from_string(
    _MARKED + _PAGE
)


def render_page(audit: Audit, *, personal: bool) -> str:
    """Render a whole self-contained page."""
    return _TEMPLATE.render(
        audit=audit,
        personal=personal,
        counts=tuple(list_counts(audit, personal=personal)),
        name=lambda name: show_name(name, personal=personal),
        bits=show_bits,
        printable=printable,
        dump=dump,
    )
