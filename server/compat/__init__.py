"""Serves the snapshot in the dialects of existing Updater apps: separate listener, off by default.

From a snapshot and the `[compat]` settings it makes a finite map from paths to answers, and the
times at which the map changes. Read `options`, `offers`, one dialect (`lineage`), `rendering`,
`plane`. It has no key and no state, and no answer depends on the requesting device. Source:
docs/FORMATS.md section 18.
"""
