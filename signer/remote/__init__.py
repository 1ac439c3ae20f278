"""Submits bundles to a server over its API, with resumable uploads of missing blobs.

`submitter` submits a bundle: missing blobs, then metadata, then it waits for the result.
`connection` sends the API requests that this needs, over one connection.
"""
