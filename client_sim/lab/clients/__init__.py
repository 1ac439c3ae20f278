"""Clients that can be examined by name.

`loading` finds a client by its name, or starts one as in a new process. `toy` is the smallest clean
one, `following` has those that fetch packs and packages, too, `installing` is the phone's own
client with installations. `phone_2014` is the phone of the reports of July 2014.
"""
