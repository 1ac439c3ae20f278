"""Key ceremonies: decide which keys sign which role, in a first repository and in later changes.

`policy` holds people's decisions (thresholds, lifetimes). `plan`, `changes` and `root_plan` make
the metadata from them. `initial` signs version 1 of every offline role and submits it.
"""
