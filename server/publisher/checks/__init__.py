"""What `hening-server check` looks at: one thing a module, on what `site` has read.

A check is a function of a `Site` that yields findings and changes nothing. Each wrong finding is a
sentence that names the thing, and says what to do.
"""
