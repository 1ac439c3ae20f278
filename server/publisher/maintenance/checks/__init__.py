"""The checks of `hening-server check`: one module per subject, on the data read by `site`.

A check is a function of a `Site` that yields findings and changes nothing. The error of a finding
is a sentence that names the subject and says what to do.
"""
