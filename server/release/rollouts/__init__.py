"""Rollout commands of a channel: offer, schedule, pause, resume, halt, and a preview of each.

A command for a channel is stored as a change. It may wait for an approval or for its time, and then
becomes the channel's next pointer.

- `commands` and `plan` compute the next pointer, `preview` what phones will see. All are pure.
- `changes` and `ledger` store commands as rows, with entries in the audit log. `binding` checks
  whether a change may still be carried out. `repeated` handles repeated halts and pauses.
- `rollouts` receives commands and approvals, `execution` carries changes out.
- `signed` has the changes that need offline keys, among them a split of latest.
"""
