"""Auditor of the transparency log: a reader that shares no code with the log's writer."""
