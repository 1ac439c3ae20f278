"""The key process's sources of keys: a folder of its own, systemd credentials, a PKCS #11 token."""

from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from server.publisher.errors import PublishError
from server.publisher.keys.online_keys import OnlineKeys, load_online_keys


class KeySource(Protocol):
    """Holds private keys; a `KeyFolder` is one."""

    def load(self) -> OnlineKeys:
        """Return the present keys."""

    def create_next(self, names: Collection[str], *, afresh: bool) -> None:
        """Make the next key of each of `names`."""

    def promote(self, names: Collection[str]) -> None:
        """Make the next keys of `names` the current ones."""


class FixedKeys:
    """Keys that are read once, and that only the operator of the key process can change."""

    def __init__(self, keys: OnlineKeys, place: str) -> None:
        self._keys = keys
        self._place = place

    def load(self) -> OnlineKeys:
        """Return the keys."""
        return self._keys

    def create_next(self, names: Collection[str], *, afresh: bool) -> None:
        """Refuse: keys are made where they are kept."""
        del afresh
        raise PublishError(
            f"make the next key of {', '.join(names)} in {self._place} by hand, under a name such"
            f" as {min(names)}.next; then restart the key process."
        )

    def promote(self, names: Collection[str]) -> None:
        """Refuse: keys change their names where they are kept."""
        raise PublishError(
            f"in {self._place} give the next key of {', '.join(names)} the name of the current one,"
            " and restart the key process; the listed key signs until then."
        )


def load_credentials(folder: Path) -> FixedKeys:
    """Read keys that systemd passed (`LoadCredential=`), named as in a folder of keys."""
    return FixedKeys(load_online_keys(folder), "the unit's credentials")
