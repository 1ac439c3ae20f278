"""The privacy instrument: observations, oracles, verdict."""
