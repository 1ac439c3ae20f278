"""The phone's cloud client: an encrypted backup, off until its owner turns a type on.

Written from docs/FORMATS.md section 17. In order of imports:

errors, keys, records       errors, keys, and the encryption of records
wire, web, service          structures of requests and responses, and the HTTP client
store                       the client's state, one SQLite file below `personal/`
policy, account, recovery,  consent, login, recovery words, and the owner's devices
devices
contacts, notes, messages   the record types, and how two versions of a record are merged
age, photos, pieces         photos, and the encrypted files that they are uploaded as
kinds, pull, push, sync     synchronisation, and checks of the server among the owner's devices
owner_data                  records that the owner adds, imports or changes on the phone
leave, options, *commands   export, erasure and moving; the command line
"""

from typing import Final

TYPES: Final = ("contact", "note", "message", "photo")
"""The record types, in the order in which they are synchronised."""
