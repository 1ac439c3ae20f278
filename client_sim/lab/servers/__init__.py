"""The servers that answer a client in the same process.

A `repository` has the `contents`, with `descriptions` and `packs`, signed by `signing`. `answers`
serves it by HTTP, and `replies` changes answers. `scripted` needs no repository, and can also use
real sockets and TLS. `caches` saves time.

- Faults (`fault`): `faults_network` and `faults_metadata`, which lists all of them.
- Pairs of servers that differ in something other than content: `hostile`, `hostile_heads`.
"""
