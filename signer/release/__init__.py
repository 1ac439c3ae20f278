"""Releases: checks of packages, and edits of a model's role.

`plan` turns inspected packages and a `request` into the model's next role version, and `sign` signs
it. `package_checks`, `checks`, `sources` and `proof` check the packages; `questions` collects the
answers. `policy` is the team's `policy.toml`. `edits` plans changes without a new package.
"""
