"""Servers that keep or tell something of a request; they share nothing with the instrument.

`toy` is an honest server with hooks, `mutant` what a leaky one consists of. `keepers` keep,
`tellers` tell, or answer some clients differently; `library` lists all, with honest ones that must
pass.
"""
