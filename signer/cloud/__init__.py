"""Policies of cloud regions: checked, signed, and described in plain words."""
