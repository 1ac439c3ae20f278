"""Online keys: which of them sign a role, how they are replaced, and a process of their own.

A role's bytes come in; its signatures go out. Read `online_keys` (the files), `choice` (which keys
the root in force names), then `holder`: the same for keys in files and for those of another
process, which `key_socket` asks with what `messages` encodes. `rotation` makes the next keys.
"""
