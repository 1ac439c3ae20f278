"""Rollout commands of a channel: offer, schedule, pause, resume, halt, and a preview of each."""
