"""Owners' accounts: names, logins, and device sessions.

    owners     accounts and sign-up codes in the database
    sessions   login by challenge and signature; tokens
    routes     the Etebase authentication API

Source: docs/FORMATS.md section 17.
"""
