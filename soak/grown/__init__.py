"""A whole site on one machine, and chaos on it.

In: a folder, a seed. Out: a history, and a verdict on it. `network` makes the machines and
`program` runs what is on them; `database`, `store` and `nodes` are what runs, `site` all of it.
`chaos` lets an `engineer` for each model work, an `observer` look at each node, and `faults`
happen; all write into the `history`, which `rules` judges. Read `rules` first.
"""
