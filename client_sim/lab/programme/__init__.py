"""Which runs are made, and what is asked of them.

A `plan` is a list of cases (`case`), made by `batteries/` in the sizes of a profile; `execute`
carries it out, `runner` makes each `run` once, over several processes, and asks its judges and the
guards.
`run` tallies and `result` collects, `shrink` makes a failing case small.

- What cases are made of: `ground`, `setting`, `conditions`, `covering`.
- Other trials: `library` (leaky clients), `server_trials`, `live` (a real server), `wall_clock`
  (real clocks).
- For reports: `dissection`, `survey`.
"""
