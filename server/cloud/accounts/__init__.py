"""Owners: their names, how they log in, and the sessions of their devices.

    login      challenges and signatures; pure
    owners     accounts in the database
    sessions   tokens of devices and of programs in the database
    routes     the addresses of the Etebase API for both

Source: docs/FORMATS.md section 17.
"""
