"""Owners: their names, how they log in, and the sessions of their devices.

    owners     accounts in the database
    sessions   logins by challenge and signature; tokens of devices and of programs
    routes     the addresses of the Etebase API for both

Source: docs/FORMATS.md section 17.
"""
