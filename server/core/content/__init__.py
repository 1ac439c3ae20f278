"""Content packs, which phones fetch besides updates, and their rules for signer and server.

An `index` lists the packs of a role. Each pack is split into parts (`part`), which hold entries.
The kinds of packs (`kinds`) have their schemas in `ca`, `countries`, `greetings`, `news`, `themes`
and `zones`. `text` and `invisible` check texts, `picture` checks pictures, and `role` checks all
packs of a role from their bytes. Source: docs/FORMATS.md section 15.
"""
