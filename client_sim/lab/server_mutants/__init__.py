"""Servers that store or reveal something of a request; they share no code with the instrument.

`toy` is an honest server with hooks, and `mutant` defines leaky ones. The servers in `storing`
store data; those in `revealing` reveal data or answer some clients differently. `library` lists
all, including honest ones, which must pass.
"""
