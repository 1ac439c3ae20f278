"""The layout of a state folder is part of an operator's backup."""

from pathlib import Path

from server.storage.layout import StateFolder


def test_places(tmp_path):
    """Each name is as docs/reference/folders.md and the signer expect it."""
    folder = StateFolder(tmp_path)
    names = {
        name: getattr(folder, name).relative_to(tmp_path)
        for name, value in vars(StateFolder).items()
        if isinstance(value, property)
    }
    assert names == {
        "keys": Path("keys"),
        "trusted_root": Path("trusted/root.json"),
        "incoming": Path("incoming"),
        "results": Path("results"),
        "uploads": Path("uploads"),
        "blobs": Path("blobs"),
        "staging": Path("staging/publication"),
        "public": Path("public"),
        "database": Path("hening.sqlite"),
        "sqlite": Path("hening.sqlite"),
        "clock": Path("clock.json"),
        "settings": Path("settings.toml"),
        "lock": Path("publisher.lock"),
        "incomplete": Path("INCOMPLETE"),
        "run": Path("run"),
        "urgent": Path("run/urgent.sock"),
    }
