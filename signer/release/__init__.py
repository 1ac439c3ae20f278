"""Releases: checks of packages, and edits of a model's role."""
