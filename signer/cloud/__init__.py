"""Policies of the cloud's regions: checked, signed, and said in plain words."""
