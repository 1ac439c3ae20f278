"""The public plane: keyless, read-only, and the same answer for everyone.

A request's head comes in, bytes or a file go out. `gate` accepts the request language of
docs/PRIVACY.md and nothing else, `answer` looks the path up in the `snapshot`, whose small files
`documents` keeps ready to be sent. `integrity` finds files that are not as they were signed.
`plane` passes all that to `server.http`. Nothing here has a key, a database or a log of requests.
"""
