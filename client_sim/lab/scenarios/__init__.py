"""Scenarios: events of a phone and its owner between polls.

`driving` runs a client through a scenario. `generators` makes scenarios, at random or from combined
conditions. `owners` makes owners and their data. `limits` prevents the client under test from
stalling the lab.
"""
