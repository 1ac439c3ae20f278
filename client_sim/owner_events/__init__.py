"""Events of a phone's owner. An import contract forbids polling code to import this package.

`events` are pure functions on the owner's data, `owner_simulator` applies them to a phone on disk,
`commands` is `hening-device live`.
"""
