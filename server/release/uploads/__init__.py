"""Resumable uploads: octets that arrive in parts, and become a blob once their hash is verified."""
