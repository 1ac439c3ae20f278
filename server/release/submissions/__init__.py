"""Submissions over HTTP: the same bundles that the signer writes to `incoming/`."""
