"""Scenarios: events of a phone and its owner between polls.

`driving` runs a client through a scenario. `lives` makes scenarios, at random or from combined
conditions. `owners` makes owners and their data. `confines` prevents the client under test from
stalling the lab.
"""
