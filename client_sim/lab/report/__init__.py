"""Reports of a result (`programme.result`), for people and for programs.

`terminal`, `json`, `junit`, `sarif` and `html/` are the formats; `kill_matrix`, `exchanges` and
`wording` are parts of them. `presentable` redacts personal values with the help of `redaction`.
`printable` escapes text and formats bytes.
"""
