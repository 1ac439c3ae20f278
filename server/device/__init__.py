"""The device plane, which phones ask: keyless, read-only, with the same answer for all clients.

`gate` accepts only the request language of docs/PRIVACY.md. `answer` finds the path in the
`snapshot`, whose small files `documents` keeps ready to be sent. `integrity` finds files that
differ from what was signed. `plane` connects these to `server.http`. Nothing here has a key, a
database or a log of requests.
"""
