"""Commands on a whole site: `check` (with `checks`), `backup`, `rebuild`, `move`, and `garbage`.

Input: the state folder, the database and the stores. Output: findings, a complete copy, or an
error. Only `garbage` removes anything, and only what nothing references.
"""
