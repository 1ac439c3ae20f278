"""Hands bundles to a server over its API: what it lacks is uploaded, resumably."""
