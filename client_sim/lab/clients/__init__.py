"""Clients that can be examined by name.

`loading` finds a client by its name, or starts one as in a new process. `toy` is the smallest clean
client; those in `following` also fetch packs and packages. `installing` adds installations to the
phone's own client. `phone_2014` is the phone described in the reports of July 2014.
"""
