"""HTML reports: self-contained pages, with charts as SVG.

A report renders its values with a template that extends `base.html`. The page has no script and no
URL that a browser would load. Read `page` (templates, escaping, and the origin of a report), then
`charts`.
"""
