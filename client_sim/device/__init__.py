"""One phone: its image, its trust, its requests and its decisions.

A poll: `client` sleeps and wakes, `refresh` fetches metadata over one connection (`answer`),
`workflow` and `trust` verify it by TUF, `profile` and `limits`, `choose` decides on the `pointer`.
An installation: `update` reads the `release`, asks `conditions`, and has `client_sim.engine` write
what `download` fetches.

- The phone on disk: `phone`, `image`, `factory`, `records`, `reset`, `summary`.
- Time and log: `signed_time`, `tlog`. Real sockets: `internet`. TUF's own code: `tuf_adapter`.
- Packages that are not released yet: `candidate`, `prove`.
- Commands: `phone_commands`, `update_commands`, with `options`.

Read `client`, then `refresh`.
"""
