"""The instrument pointed at a server: planted requests, and a search of what it kept of them.

`order` says what to examine, `site` where; `examine` does it. `planting` puts `canaries` in all
`positions` and `framings`, `sending` sends them by `exchange`, `search` looks for them in all
`places`: files (`contents`), processes (`processes`), metrics (`pages`), and addresses (`peers`).
`alike` and `questions` compare answers, `growth` sizes, `sieve` makes it fast, `searching` judges,
`report` tells.
"""
