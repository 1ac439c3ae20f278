"""Builds, checks and signs content packs: the data that phones fetch besides updates.

`build` and `sources/` turn a source into entries. `pack_folder` and `wording` write them as a pack
into a folder that people can read, `validate` checks the pack, and `plan` makes the role's next
version. `upstream` has the parameters of a builder.
"""
