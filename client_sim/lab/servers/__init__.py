"""What answers a client in the same process.

A `repository` says what follows from `contents`, `descriptions` and `packs`, signed by `signing`;
`answering` makes HTTP of it, and `replies` alters an answer. `scripted` needs no repository, and
has real sockets and TLS, too. `memo` is for speed.

- What can go wrong (`fault`): `faults_network` and `faults_metadata`, which lists all.
- Pairs that differ in what is not content: `hostile`, `hostile_heads`.
"""
