"""Webhooks: what happened is told to addresses that were given, signed, until they take it."""
