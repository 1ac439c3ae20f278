"""The judges: each looks at traces in its own way and shares nothing with a mutant."""
