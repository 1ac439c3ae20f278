"""The pepper where it lies, on paper, and when another one takes its place.

    file       the file, the secrets that it gives, and its lines for paper or an age key
    rotation   everything in the database sealed under another pepper

Source: docs/FORMATS.md section 17.
"""
