"""Online roles: log, stage, audit, commit, refresh.

A bundle of the `inbox`, a rollout command or an expiring role comes in; what is public changes, or
an error says why it does not.

- The seven steps: read `publisher` first, which says what a crash after each leaves behind.
  `inbox`, `incoming` and `submissions` are steps 1 and 2 (`verify`), `publication` is the others:
  `plan`, `staging` and `audit` (3), `log` (4), `read_back` (7).
- Who may publish, and when: `lease`, `clock`, `steady_clock`.
- Online keys: `online_keys`, `key_choice`, `rotation`, and a process of their own through
  `key_holder`, `key_socket`, `key_messages`.
- Pointers: `rollout`. What is public now: `published`, `build_names`.
- Watching: `monitor`, `alarms`, `publish_metrics`, `check` with `checks/`.
- Maintenance: `garbage`, `backup`, `rebuild`. Copies for other web
  servers and CDNs: `mirror`, in a folder (`mirror_folder`) or a bucket (`mirror_bucket`).
"""
