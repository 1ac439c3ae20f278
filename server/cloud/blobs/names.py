"""Addresses of the blobs door: a vault, a type and a name."""

import re
from dataclasses import dataclass
from typing import Final

from server.cloud.errors import CloudError, not_found

LOCKS: Final = "locks"
TYPES: Final = ("data", "keys", LOCKS, "snapshots", "index")
CONFIG: Final = "config"
"""The one object of a vault without a type; its name is no hash."""
SMALL_TYPES: Final = frozenset({"keys", LOCKS})
"""Types whose bodies hold JSON in clear, or a few bytes."""
_VAULT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Address:
    """An object `name` of a `type` in an account's `vault`; the config has the type `config`."""

    vault: str
    type: str
    name: str

    @property
    def is_config(self) -> bool:
        """Whether this is the vault's config."""
        return self.type == CONFIG


def is_vault(text: str) -> bool:
    """Answer whether a text can be a vault's name."""
    return _VAULT.fullmatch(text) is not None


def decode_vault(text: str) -> str:
    """Return a vault's name; raises CloudError for a malformed one."""
    if not is_vault(text):
        raise CloudError(
            400, "bad_vault", "a vault is 1 to 32 of a-z, 0-9 and -, and does not begin with -."
        )
    return text


def decode_type(text: str) -> str:
    """Return a type; raises CloudError for one that there is not."""
    if text not in TYPES:
        raise not_found("type")
    return text


def decode_address(vault: str, kind: str, name: str) -> Address:
    """Return an address; raises CloudError for one that is malformed."""
    if _NAME.fullmatch(name) is None:
        raise CloudError(400, "bad_name", "a name is the sha256 of its body, in hexadecimal.")
    return Address(decode_vault(vault), decode_type(kind), name)


def config_of(vault: str) -> Address:
    """Return the address of a vault's config."""
    return Address(decode_vault(vault), CONFIG, CONFIG)
