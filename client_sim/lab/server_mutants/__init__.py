"""Servers that keep or tell something of a request; they share nothing with the instrument.

`toy` is an honest server with hooks, `mutant` what a leaky one consists of. `keepers` keep,
`tellers` tell, `varying` answer some clients differently; `honest` ones must pass. `library` lists
all.
"""
