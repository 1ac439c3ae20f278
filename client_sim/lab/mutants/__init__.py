"""Clients that leak, to try the judges on; they share nothing with a judge.

`library` lists all by family. Most are rows of the tables (`table_requests` and its neighbours): a
source, encodings, a place and a trigger, as `rows` says. `sources`, `encodings`, `places` and
`outside`, and `triggers` are the parts that rows are made of, `interpreter` makes a client of each.
What no row can say is a class, whose docstring says what it leaks: `behaviours`, `waiting`, and the
modules about packs, packages, installs, offers, handshakes, writes, the machine and the system.
`mutant` is what the lab receives. `equivalents` leak nothing.
"""
