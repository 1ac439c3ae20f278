"""Commands on a whole site: `check` (with `checks`), `backup`, `rebuild`, `move`, and `garbage`.

State folder, database and stores come in. Findings go out, or a complete copy, or an error; only
`garbage` removes anything, and only what nothing names.
"""
