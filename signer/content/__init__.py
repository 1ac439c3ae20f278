"""Builds, checks and signs content packs: the data that phones fetch besides updates."""
