"""Online keys: which of them sign a role, how they are rotated, and access to a key process.

Read `online_keys` (the files), `choice` (which keys root and targets list), then `holder`: one
interface to keys in files and to those in a key process. `key_socket` sends requests to that
process, and `messages` encodes them. `rotation` makes next keys and switches to them.
"""
