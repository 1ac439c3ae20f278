"""Copies of a cloud, and whether one is whole.

    contents   all rows of a database, and the bodies that they name
    check      whether rows and bodies belong together
    backup     a copy of one moment, made beside nodes that run; a cloud made from one

A backup is a folder of its own form, which `cloud run` does not take for a cloud:

    backup.toml            region, time, and which database belongs to it
    database-TIME.sqlite   all rows, also those of a PostgreSQL database
    bodies/                bodies by name, also those of S3

`backup.toml` is written last and replaces an older one, so that a backup that is cut off leaves the
one before it. A body never changes: what is there is not copied again.
"""
