"""The judges: each examines traces in its own way and shares no code with a mutant.

A judge takes the trace of one or more runs and returns findings (`finding`). `judging` holds the
judges of a single run.

- Content: `canary` (with `views` and `transforms`) searches for planted values.
- Form: `grammar` with `language`, `connections`, `parts`, `answers`.
- Comparison: `equality` (two owners), `cardinality` with `fields` (a fleet and its crowds),
  `server_state` (two servers), `trust_state` (one phone at two polls), `again` (requests for data
  that the phone already holds).
- Time: `timing`, `distribution`.
- Decisions: `choices` checks which offers a phone takes.
- Coverage: `completion` checks that there was anything to judge.
"""
