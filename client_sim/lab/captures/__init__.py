"""Recordings of real phones."""
