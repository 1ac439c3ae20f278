"""Webhooks: events are signed and sent to configured addresses until these accept them."""
