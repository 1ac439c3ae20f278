"""Accounts, tokens and sessions of the control plane, their rights, and the audit log.

A token or a session comes in, a `principal` with its rights goes out. `accounts`, `tokens` and
`web_sessions` are what is stored (tokens as hashes only), `principal` also how a token is written.
`two_person_approval` decides who may approve whose change. `audit_log` records each change, chained
by hashes; `audit_log_query` reads it.
"""
