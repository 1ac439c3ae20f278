"""The Etebase API v1: encrypted collections of items, for Etebase clients.

    wire      the msgpack structures of requests and responses; synchronization cursors
    access    access rights, locks and change counters of a collection
    writing   batches and transactions
    reading   lists, updates and revisions
    chunks    the contents of items
    sharing   members and invitations
    rotation  re-encrypt an account's collection keys with a new account key
    routes    paths and handlers

Source: the public Etebase clients; docs/FORMATS.md section 17.
"""
