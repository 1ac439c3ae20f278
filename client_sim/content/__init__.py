"""Public tables and texts on the phone: every phone fetches the same ones and uses them offline.

During a poll `fetch` gets new parts of packs by `plan` and `index`, and checks whole packs, and
`store` keeps them. Each kind (`kinds`) has a module: `apn`, `ca`,
`countries`, `greetings`, `notices`, `themes`, `zones`, with `text` and `picture` for what owners
see. The owner's look-ups are offline: `shelf`, and the commands in `commands`, `table_commands`,
`text_commands`. Source: docs/FORMATS.md section 15.
"""
