"""Builders of content packs: from an upstream source to the entries of a kind (FORMATS 15)."""
