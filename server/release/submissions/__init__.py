"""Submissions: bundles of signed metadata over HTTP, as the signer writes them to `incoming/`."""
