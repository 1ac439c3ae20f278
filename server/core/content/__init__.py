"""Content packs: what phones fetch beside updates, and the rules that signer and server share.

An `index` lists the packs of a role; each pack is cut into parts (`part`), which hold entries. Each
kind (`kinds`) has a module with the schema of its entries: `ca`, `countries`, `greetings`,
`news`, `themes`, `zones`. Texts pass `text` and `invisible`, pictures `picture`. `role` checks all
packs of a role from their bytes. Source: docs/FORMATS.md section 15.
"""
