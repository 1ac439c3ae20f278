"""Owners' accounts: names, logins, device sessions, and program tokens.

    owners     accounts and sign-up codes in the database
    sessions   login by challenge and signature; tokens of devices and programs
    routes     the Etebase authentication API

Source: docs/FORMATS.md section 17.
"""
