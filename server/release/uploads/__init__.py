"""Resumable uploads: bytes that arrive in parts, and become a blob once their hash is verified.

A client announces a blob's size and hash (`uploads`), sends it in parts (`partials` in a file,
`s3_partials` in S3), and it becomes a blob once the hash is verified. `hold` receives and ends an
upload, also one that its client left. `limits` bound number, bytes and lifetime. `headers` are
those of tus 1.0.0, whose HTTP is in `server.release.api.uploads`.
"""
