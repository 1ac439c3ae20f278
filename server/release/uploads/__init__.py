"""Resumable uploads: bytes that arrive in parts, and become a blob once their hash is verified."""
