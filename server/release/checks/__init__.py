"""The control plane's part of `hening-server check`: rows that the audit log contradicts.

The audit log is chained, and each change is told in the transaction that makes it. What it says of
accounts, tokens, sessions and orders is worked out again and held against the rows.
"""
