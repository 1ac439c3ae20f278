"""A complete site on one machine, with fault injection.

A run takes a folder and a seed, records a history, and returns verdicts on it. `network` makes the
machines, and `program` runs programs on them. `database`, `store` and `nodes` define the programs,
and `site` starts them all. `chaos` runs an `engineer` for each model, an `observer` for each node,
and the `faults`. All of them record events in the `history`, which `rules` judges. Read `rules`
first.
"""
