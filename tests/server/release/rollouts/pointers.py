"""A pointer for tests that need any."""

from server.core.pointer import decode_pointer

PATH = "latest/armani/id/stable"
PACKAGE = {"p": "armani/id/stable/a.zip", "z": 1, "x": "0" * 64, "b": []}
STEP = {"n": 1, "t": 1, "l": "2026-01-05", "m": 0, "k": [PACKAGE]}


def make_pointer(schedule=((10, 100),)):
    """Return a pointer with one step and one package."""
    custom = {"v": 1, "s": [STEP], "p": False, "h": False, "t": {}}
    return decode_pointer(PATH, custom | {"r": [list(pair) for pair in schedule]})
