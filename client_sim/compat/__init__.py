"""Strict readers of the lists that existing Updater apps fetch, one module for each family of apps.

They ask, choose, download, resume and verify as the apps do, and refuse what the apps refuse. An
operator looks at a deployment from outside with them (`hening-device compat`). Read `asking`, then
`lineage`. Source: docs/FORMATS.md section 18.
"""
