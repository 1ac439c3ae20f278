"""Rollout commands of a channel: offer, schedule, pause, resume, halt, and a preview of each.

A command comes in for a channel; it waits for an approval or for its time, and becomes the
channel's next pointer.

- `commands` and `plan` decide, `preview` says what phones will see. All are pure.
- `changes` and `ledger` are commands as rows, with the audit log. `binding` says under
  which conditions a change may still be carried out, `repeated` what a second halt is.
- `rollouts` takes commands and approvals, `execution` carries changes out.
- `signed`: changes that need offline keys, among them a split of latest.
"""
