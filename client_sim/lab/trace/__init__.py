"""What leaves a client, and how it is recorded.

`observation` is a trace. `memory` and `sockets` are worlds in which a client runs, under virtual
time or on real sockets; `recording` records either, with `entropy` and `detours` for what a client
draws on and what it does outside. `machine` and `identity` are the machine that it sees. `relay`
keeps bytes at the other end, `hello` reads TLS.
"""
