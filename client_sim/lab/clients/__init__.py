"""Clients that can be examined by name."""
