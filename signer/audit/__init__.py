"""Audits the transparency log, without sharing code with the log's writer.

An audit reads a mirror, by folder or by URL (`mirror`), and the memory of earlier audits
(`memory`). It reports `findings`, each with evidence. `log_audit` runs the audit: `log_reader`
reads tiles, `ledger` checks the entries of each role, `published` checks the files that phones
would get, and the audit compares the two. `inquiry` looks for entries that a team did not sign.
"""
