"""Resumable uploads: the bytes arrive in parts, and become a blob once their hash is verified.

`uploads` creates, continues and ends uploads, including expired ones; a client announces size and
hash first. `partials` keeps the bytes so far in files, `s3_partials` in S3. `receiver` receives
parts, and finishes or drops uploads. `limits` bounds number and bytes. `headers` decodes headers of
tus 1.0.0; the HTTP of tus is in `server.release.api.uploads`.
"""
