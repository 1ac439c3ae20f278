"""Strict simulations of existing Updater apps, one module for each family of apps.

They request, choose, download, resume and verify as the apps do, and refuse everything that the
apps refuse. With them an operator checks a deployment from outside (`hening-device compat`). Read
`http_client`, then `lineage`. Source: docs/FORMATS.md section 18.
"""
