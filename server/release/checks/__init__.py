"""The control plane's part of `hening-server check`: rows that the audit log contradicts.

The audit log is chained, and each change is recorded in its own transaction. Accounts, tokens,
sessions and changes are replayed from it and compared with the rows.
"""
