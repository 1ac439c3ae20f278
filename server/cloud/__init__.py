"""The owner's backup: an opt-in service that keeps ciphertext which it cannot open.

It is a process of its own (`hening-server cloud run`) with its own origin, settings, database and
migrations. Nothing else of the server imports it but the command line, and it imports
`server.storage` and `server.core` alone. Design and its reasons: docs/adr/0069 and 0070.

    app         the cloud as a whole: database, doors, rounds
    door        one request from its bytes to its answer: framing, errors, who asks
    accounts/   names, logins, sessions, and tokens of programs
    owner/      the account door: what a device asks of its account
    records/    the Etebase API: collections, items, chunks, members, invitations
    blobs/      restic's REST protocol
    storage/    tables, migrations, and the larger bodies
    secrets     what is sealed under the pepper, and hashed
    pepper/     the pepper's file, its lines on paper, and its rotation
    gate        refuses what is no ciphertext
    rates       how many requests are taken
    metrics     totals and outcomes, for machines
    operator    accounts by their random ids, for the command line

Read `storage.models` first, then `records.writing`.
"""
