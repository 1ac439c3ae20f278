"""The judges: each examines traces in its own way and shares no code with a mutant.

A trace comes in, findings go out (`finding`); `judging` says which judges see a run.

- What left: `canary` (with `views` and `transforms`) looks for planted values.
- Its form: `grammar` with `language`, `connections`, `parts`, `answers`.
- Compared: `equality` (two owners), `cardinality` with `fields` (a fleet and its crowds),
  `server_state` (two servers), `trust_state` (one phone twice), `again` (what a phone holds).
- When: `timing`, `distribution`.
- Which offers are taken: `choices`.
- Whether there was anything to judge: `completion`.
"""
