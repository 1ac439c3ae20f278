"""One phone: its image, its trust, its requests and its decisions.

A poll: `client` sleeps and wakes, `refresh` fetches metadata over one connection (`answer`),
`workflow` and `trust` verify it by TUF and `profile`, `choose` decides by `rules` on the `pointer`.
An installation: `update` reads the `release`, asks `agreement`, `limits` and `conditions`, and has
`client_sim.engine` write what `download` fetches.

- The phone on disk: `phone`, `image`, `factory`, `records`, `reset`, `update_settings`, `summary`.
- Time and log: `signed_time`, `tlog`. Real sockets: `internet`. TUF's own code: `tuf_adapter`.
- Packages that are not released yet: `candidate`, `prove`.
- Commands: `create_command`, `owner_commands`, `prove_command`, `update_commands`, with `options`
  and `poll_report`.

Read `client`, then `refresh`.
"""
