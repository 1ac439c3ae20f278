"""The phone's trust code as an ordinary TUF client, for conformance suites of TUF clients.

`commands` is what a suite calls. `rules` takes the profile off `client_sim.device`, `web` fetches,
`folder` keeps metadata as suites expect it, `artifacts` finds a target through delegations.
"""
