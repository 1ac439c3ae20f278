"""The cloud: an opt-in backup service that stores owners' ciphertext and cannot decrypt it.

It runs as a separate process (`hening-server cloud run`) with its own origin, settings, database
and migrations. Only the command line imports this package, and the package imports only
`server.storage` and `server.core` from the rest of the server. A door is one of its HTTP APIs:
records (Etebase), account (JSON) or blobs (restic). Design: docs/adr/0069 and 0070.

    app         starts the service: database, doors, maintenance rounds
    routing     handles one request: authentication, decoding, routing, error responses
    accounts/   names, logins and device sessions
    owner/      the account door: devices, keys, recovery, program tokens, the owner's web page
    records/    the Etebase API: collections, items, chunks, members, invitations
    blobs/      restic's REST protocol
    law/        policies, consents, erasure, export and notices
    storage/    tables, migrations, and the store for larger bodies
    copying/    backup, restore and integrity check
    upkeep/     periodic removal of old rows and bodies
    secrets     encryption and hashing with the pepper
    pepper/     the pepper's file, its paper copy, and its rotation
    gate        refuses bodies that are not ciphertext
    rates       rate limits
    metrics     Prometheus metrics and readiness
    openapi     the OpenAPI document of the account door
    operator    accounts as the operator sees them, by random id

Read `storage.models` first, then `records.writing`.
"""
