"""Accounts, tokens and sessions of the control plane, their rights, and the audit log.

A token or a session becomes a `principal`: a caller with its rights. `accounts`, `tokens` and
`web_sessions` manage the stored rows, where tokens are hashes. `principal` also has the text form
of tokens. `two_person_approval` decides which account may approve a change. `audit_log` records
each change in a chain of hashes, and `audit_log_query` reads it.
"""
