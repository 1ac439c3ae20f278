"""Publishing with the online roles: stage, audit, log, commit, refresh.

Input: a bundle from the `inbox`, a rollout command, or an expiring role. Output: a change of the
public files, or an error that says why there is none.

- Read `publisher` first: it lists the seven steps and what a crash after each leaves behind.
  Steps 1 and 2 are in `inbox` (`s3_inbox`), `incoming`, `bundle_importer` and `verify`. The others
  are in `publication`, with `plan`, `staging` and `audit` (3), `log` (4) and `read_back` (7).
- `lease`: one publisher at a time. `rollout`: edits of pointers. `published` and `build_names`:
  the public state.
- `keys`: the online keys, in this process or in the key process.
- `expiry`: the clock, expiring roles, and alarms.
- `maintenance`: check, clean, back up, rebuild and move a site.
- `mirror`: copies for other web servers and CDNs.
"""
