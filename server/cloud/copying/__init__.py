"""Backup, restore, and integrity check of a cloud.

    backup     back up while nodes are running, and restore
    check      compare the database's rows with the stored bodies
    contents   copy all rows, and the bodies that they refer to

A backup is a folder with its own layout, which `cloud run` does not accept as a cloud:

    backup.toml            region, time, and the name of the database file
    database-TIME.sqlite   all rows, even if the cloud uses PostgreSQL
    bodies/                bodies by name, even if the cloud uses S3

`backup.toml` is written last and replaces the former one, so an interrupted backup leaves the
former one valid. Bodies never change, so existing ones are not copied again.
"""
