"""An auditor of the transparency log: a reader that shares no code with what writes the log."""
