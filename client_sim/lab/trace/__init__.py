"""Recording of everything that leaves a client.

- `observation`: the recorded trace.
- `memory`, `sockets`: the worlds in which a client runs, in virtual time in one process or over
  real sockets, where a relay records the bytes at the other end.
- `recording`: records either world; `bypasses` records what a client does outside its world.
- `machine`, `identity`: the machine that the client sees.
- `hello`: reads TLS.
"""
