"""The judges: each examines traces in its own way and shares no code with a mutant.

A trace comes in, findings go out (`finding`); `judging` says which judges see a run.

- What left: `canary` (with `views`, `transforms`, `spellings`, `salted`, `murmur`, `windows`,
  `joined`) looks for planted values.
- Its form: `grammar`, `language`, `order`, `writes`, `tls`, `egress`, `silence`, `parts`,
  `answers`.
- Compared: `equality` (two owners), `cardinality` with `budget` and `fields` (a fleet), `crowds`
  (installations), `server_state` (two servers), `stationarity` (one phone twice), `trust_state`;
  `places` names where two differ.
- When: `timing`, `distribution`, `concentration`, `populations`, `due`, with `chance`.
- Whether there was anything to judge: `completion`.
"""
