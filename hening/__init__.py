"""Code that all programs share: versions, times and lazy commands. It imports no program."""
