"""Auditor of the transparency log: a reader that shares no code with the log's writer.

In: a mirror, by folder or by URL (`mirror`), and what earlier audits remember (`memory`). Out:
`findings`, each with evidence. `log_audit` is the audit; `log_reader` reads tiles, `ledger` checks
the entries of each role, `published` what phones would get, and the audit compares the two.
`inquiry` asks about one team's entries.
"""
