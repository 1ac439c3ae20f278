"""What happens to a phone between polls.

`driving` stages what happens to an owner between polls, `lives` draws it at random or makes
conditions meet. `owners` are owners and their data; `confines` keeps the client under test from
stalling the lab.
"""
