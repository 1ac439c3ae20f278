"""The blobs door: restic's REST protocol, versions 1 and 2.

    vaults    addresses, which program asks, and what the account keeps, in the database
    routes    requests and their answers; a body on its way to the store, hashed and counted

An account's vaults are `blobs/VAULT/TYPE/NAME` in the store of bodies. Each name but "config" is
the sha256 of its body, and a body is seen only once that has been checked.
Source: restic's REST backend documentation; docs/FORMATS.md section 17.
"""
