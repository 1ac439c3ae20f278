"""The verdict, for people and for programs.

A result (`programme.result`) comes in. `terminal`, `json`, `junit`, `sarif` and `html/` are its
forms; `kill_matrix`, `exchanges` and `wording` are parts of them. Nothing personal is shown:
`covering` decides with `redaction`; `printable` makes text and bytes fit to be shown.
"""
