"""The Etebase API v1: collections of items, as Etebase clients know them.

    wire      what requests and answers hold, in msgpack; how much a client has seen
    access    a collection as its caller may use it
    writing   batches and transactions
    reading   lists, updates and revisions
    chunks    bodies of items
    sharing   members and invitations
    rotation  what an account keeps of its collections, under a new account key
    routes    addresses, and which of the above answers them

Source: the API's public clients; docs/FORMATS.md section 17.
"""
