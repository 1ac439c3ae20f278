import os

import pytest


@pytest.fixture
def give_away(monkeypatch):
    """Return what makes a file another user's, and gives that user's id.

    Only root can give files away; any other user who runs the tests becomes another user in the
    eyes of the program.
    """

    def give(path) -> int:
        owner = path.stat().st_uid
        if os.geteuid() == 0:
            os.chown(path, 65534, -1)
            return 65534
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        return owner

    return give
