"""Pure vocabulary shared with the signer: formats, names, rules; no I/O and no clock."""
