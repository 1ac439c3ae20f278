import os

import pytest


@pytest.fixture
def give_away(monkeypatch):
    """Return a function that makes a file another user's and returns that user's id.

    Only root can give files away. Otherwise the program is made to see another user id of its own.
    """

    def give(path) -> int:
        owner = path.stat().st_uid
        if os.geteuid() == 0:
            os.chown(path, 65534, -1)
            return 65534
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        return owner

    return give
