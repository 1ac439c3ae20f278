"""The public plane: keyless, read-only, and the same answer for everyone."""
