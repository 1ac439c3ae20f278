"""The A/B update engine: payload operations, slots, boot control."""
