"""From an empty folder to keys, a signed root and a server state, for one person.

`layout` says which files there will be and how far an earlier run came; `steps` runs the programs,
and has the texts of two files and of the end.
"""
