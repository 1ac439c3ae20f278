"""Reads an Android OTA zip and refuses what is wrong with it."""
