"""Online roles: log, stage, audit, commit, refresh.

A bundle of the `inbox`, a rollout command or an expiring role comes in; what is public changes, or
an error says why it does not.

- The seven steps are here: read `publisher` first, which says what a crash after each leaves
  behind. `inbox` (`s3_inbox`), `incoming` and `submissions` are steps 1 and 2 (`verify`),
  `publication` is the others: `plan`, `staging` and `audit` (3), `log` (4), `read_back` (7).
- Who may publish: `lease`. Pointers: `rollout`. What is public now: `published`, `build_names`.
- `keys`: those that sign online, in this process or in one of their own.
- `expiry`: the clock, what expires, and who is told.
- `maintenance`: verify, clean, back up, rebuild and move a site.
- `mirror`: copies for other web servers and CDNs.
"""
