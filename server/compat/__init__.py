"""The snapshot in the dialects of existing Updater apps: own listener, off by default.

In: a snapshot, and the `[compat]` settings. Out: a finite map from path to answer, and what changes
in it at which second. Read `options`, `offers`, one dialect (`lineage`), `rendering`, `plane`. It
holds no key and no state, and no answer depends on the device that asks. Source: docs/FORMATS.md
section 18.
"""
