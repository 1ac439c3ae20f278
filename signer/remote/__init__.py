"""Submits bundles to a server over its API, with resumable uploads of missing blobs."""
