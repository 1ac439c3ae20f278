"""Builders of content packs: from an upstream source to the entries of a kind (FORMATS 15).

One module for each kind of pack: `apn`, `ca`, `emergency`, `greetings`, `holidays`, `news`,
`themes`, `zones`. `translations` reads translators' files; every builder returns a value of
`build_result`.
"""
