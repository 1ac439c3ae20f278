"""The pepper: its file, its copy on paper, and its rotation.

    file       read and write the pepper's file; encode it for paper or an age key
    rotation   re-encrypt the database with a new pepper

Source: docs/FORMATS.md section 17.
"""
