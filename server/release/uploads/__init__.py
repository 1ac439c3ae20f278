"""Resumable uploads: bytes that arrive in parts, and become a blob once their hash is verified.

A client announces a blob's size and hash (`uploads`), sends it in parts (`partials`, under `hold`:
`partial` in a file, `s3_partials` in S3), and it becomes a blob once the hash is verified. `limits`
bound number, bytes and lifetime; `hold` also ends what was left. `headers` are those of tus 1.0.0,
whose HTTP is in `server.release.api.uploads`.
"""
