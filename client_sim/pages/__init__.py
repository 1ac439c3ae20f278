"""Pages for people: self-contained HTML, with pictures as SVG.

A report gives its values and a template that extends `base.html`; out comes a page without script,
and without an address that a browser would load. Read `page` (templates and what they escape; when
and where a report was made), then `charts` (pictures).
"""
