"""Releases: what may become one, and each edit of a model's role."""
