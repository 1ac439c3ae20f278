"""The checks of `hening-server check`: one subject a module, on what `site` has read.

A check is a function of a `Site` that yields findings and changes nothing. Each finding of an error
is a sentence that names the subject, and says what to do.
"""
