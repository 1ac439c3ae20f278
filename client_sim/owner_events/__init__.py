"""Events of a phone's owner. Polling code must not import it (an import contract).

`events` are pure functions on the owner's data, `owner_simulator` applies them to a phone on disk,
where that data lies, `commands` is `hening-device live`.
"""
