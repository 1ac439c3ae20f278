"""Releases: checks of packages, and edits of a model's role.

Inspected packages come in, the model's next role version goes out. `request` is what is wanted,
`package_checks`, `checks`, `sources` and `proof` judge it, `questions` are those that
a person answers by `policy`, `plan` decides, `sign` signs. `edits` are changes
without a new package.
"""
