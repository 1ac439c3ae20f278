"""Servers that keep or tell something of a request; they share nothing with the instrument."""
