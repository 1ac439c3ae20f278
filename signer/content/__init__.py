"""Builds, checks and signs content packs: the data that phones fetch besides updates.

A source becomes entries (`build`, `sources/`), entries become a pack in a folder that people can
read (`pack_folder`, `wording`), `validate` checks it, `plan` makes the role's next version.
`upstream` says what a builder needs.
"""
