"""The pepper where it lies, on paper, and when another one takes its place.

    file       the file, and the secrets that it gives
    escrow     lines for paper, and what was typed back
    age        the same lines sealed to an age key
    rotation   everything in the database sealed under another pepper

Source: docs/FORMATS.md section 17.
"""
