"""The phone's trust code as an ordinary TUF client, for conformance suites of TUF clients.

`commands` is what a suite calls: the workflow of `client_sim.device` without this system's profile.
`repository` fetches and keeps metadata as suites expect it, and finds a target through delegations.
"""
