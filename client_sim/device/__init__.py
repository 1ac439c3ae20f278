"""One phone: its image, its trust, its requests and its decisions.

A poll: `client` schedules it; `refresh` fetches metadata over one connection (`answer`); `workflow`
and `trust` verify it by TUF and by the rules of `profile` and `limits`; `choose` decides from the
`pointer`.
An installation: `update` checks `conditions` and the `release`, and `client_sim.engine` writes the
package that `download` fetches.

- The phone on disk: `phone`, `image`, `factory`, `records`, `reset`, `summary`.
- Time and log: `signed_time`, `tlog`. Real sockets: `internet`. TUF's own code: `tuf_adapter`.
- Packages that are not released yet: `candidate`, `prove`.
- Commands: `phone_commands`, `update_commands`, with `options`.

Read `client`, then `refresh`.
"""
