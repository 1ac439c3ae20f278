"""Key ceremonies: who may sign what in a first repository, and each change of that.

`policy` holds the decisions of people (thresholds, lifetimes). `plan`, `changes` and `root_plan`
decide the metadata that follows; `first` makes version 1 of every offline role and submits it.
"""
