"""The blobs door: restic's REST protocol, versions 1 and 2.

    vaults    object addresses, authentication of programs, and objects in the database
    routes    HTTP requests; uploads are hashed and measured while they are received

A vault is one restic repository of an account. Each object's name, except "config", is the sha256
of its body. An object becomes visible only after the hash was verified.
Source: restic's REST backend documentation; docs/FORMATS.md section 17.
"""
