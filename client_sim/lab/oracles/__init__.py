"""The judges: each examines traces in its own way and shares no code with a mutant."""
