"""The examination programme: which runs are made, and how they are judged.

A `plan` is a list of cases (`case`). `batteries/` makes them, as many as the profile says.
`execute` carries a plan out. `runner` makes each `run` once, in several processes, and calls its
judges and the guards. `run` counts, `result` collects, and `shrink` reduces a failing case.

- Parts of cases: `testbed`, `setting`, `conditions`, `covering`.
- Other trials: `library` (leaky clients), `server_trials`, `live` (a real server), `wall_clock`
  (real clocks).
- For reports: `dissection`, `survey`.
"""
