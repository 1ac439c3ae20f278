"""Reads Android OTA zips and refuses unsound ones."""
