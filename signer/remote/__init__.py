"""Submits bundles to a server over its API, with resumable uploads of missing blobs.

`submitter` submits a bundle: missing blobs, then metadata, then it waits for the result.
`connection` is the API as it needs it, over one connection.
"""
