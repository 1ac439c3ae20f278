"""The phone's trust code as an ordinary TUF client, for conformance suites of TUF clients.

A suite calls `commands`, which run the workflow of `client_sim.device` without this system's
profile. `repository` fetches and stores metadata as suites expect it, and finds a target through
delegations.
"""
