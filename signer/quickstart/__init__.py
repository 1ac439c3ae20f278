"""Sets up keys, a signed root and a server state in an empty folder, for one person.

`layout` has the paths of the files and finds out how far an earlier run came. `steps` runs the
programs, and has the texts of two files and of the final message.
"""
