"""Submissions over HTTP: the same bundles that the signer lays into `incoming`."""
