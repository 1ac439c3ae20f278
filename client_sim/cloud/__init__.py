"""The phone's half of the cloud: an encrypted backup, off until its owner turns a type on.

Written from docs/FORMATS.md section 17. In order of imports:

errors, keys, records       what is sealed, and how
wire, web, service          requests, and the shapes of their answers
store                       what the phone remembers, one SQLite file below `personal/`
policy, account, recovery   consent, login, words, devices
contacts, notes, messages   the types, and how two versions of a record become one
age, photos, pieces         photos
kinds, pull, push, sync     synchronising, and what the owner's devices say to each other about
                            the server
leave, commands             the owner's ways out, and the command line
"""

from typing import Final

TYPES: Final = ("contact", "note", "message", "photo")
"""The types, in the order in which they are synchronised."""
