"""What leaves a client, and how it is recorded.

`observation` is a trace. `memory` and `sockets` are worlds in which a client runs, under virtual
time or on real sockets, where a relay keeps the bytes at the other end; `recording` records
either, with `detours` for what a client does outside. `machine` and `identity` are the machine that
it sees, `hello` reads TLS.
"""
