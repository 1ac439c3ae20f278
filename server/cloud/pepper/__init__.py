"""The pepper where it lies, on paper, and when another one takes its place.

    file       the file, and the secrets that it gives
    escrow     lines for paper or sealed to an age key, and what was typed back
    rotation   everything in the database sealed under another pepper

Source: docs/FORMATS.md section 17.
"""
