"""Public tables and texts on the phone: every phone fetches the same packs and uses them offline.

- During a poll, `fetch` decodes the `index` of a role, fetches the parts that `plan` requests, and
  checks whole packs; `store` stores them.
- The kinds of packs (`kinds`) are checked by `apn`, `ca`, `countries`, `greetings`, `notices`,
  `themes` and `zones`; `text` checks texts and links, `picture` JPEGs.
- Offline, `phone_packs` opens the packs for the owner; the commands are in `commands`,
  `table_commands` and `text_commands`.

Source: docs/FORMATS.md section 15.
"""
