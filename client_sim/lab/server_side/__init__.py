"""Examination of a server: planted requests, and a search of everything that the server keeps.

`inputs` has the inputs and the verdict; `examine` runs the examination. `planting` puts `canaries`
into all `positions` of requests, `exchange` sends them, and `search` looks for them in all
`places`. `equal_answers` compares answers.
"""
