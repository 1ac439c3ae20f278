"""Clients that leak, for tests of the judges; they share no code with a judge.

- `library` lists all of them by family; `mutant` defines what the lab receives.
- Most are rows of the tables `table_requests`, `table_states`, `table_triggers` and
  `table_machines`. A row has a source, encodings, a place and a trigger (`rows`). `sources`,
  `encodings`, `places`, `covert`, `bypasses` and `triggers` are these parts; `interpreter` makes a
  client from each row.
- The others are classes whose docstrings describe the leak: `behaviours`, `packs`, `packages`,
  `handshakes` and `request_writes`.
- `spy` gives leaks access to the owner's data. `equivalents` do not leak.
"""
