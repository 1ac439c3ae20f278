"""A split `latest`: which part holds a pointer, and whether the split is a sound one.

A part is listed behind all roles but `latest` and has every path whose sha256 starts with one of
its digits. Source: FORMATS section 2, rule 11.
"""

import re
from collections.abc import Mapping
from typing import Final

from tuf.api.metadata import DelegatedRole

from client_sim.device.errors import ProfileError

_PART: Final = re.compile(r"latest-[0-9a-f]")
_DIGITS: Final = "0123456789abcdef"
_DIGITS_EACH: Final = {4: 4, 16: 1}
"""How many first digits each part has, by the number of parts."""


def is_part(name: str) -> bool:
    """Tell whether `name` is that of a part of `latest`."""
    return _PART.fullmatch(name) is not None


def check_parts(roles: Mapping[str, DelegatedRole]) -> None:
    """Check that `latest` is whole, or split as it may be; raises ProfileError."""
    names = list(roles)
    parts = [name for name in names if is_part(name)]
    if not parts:
        return
    each = _DIGITS_EACH.get(len(parts))
    expected = [f"latest-{digit}" for digit in _DIGITS[: len(parts)]]
    if each is None or names[-len(parts) - 1 :] != [*expected, "latest"]:
        raise ProfileError("The parts of latest are not 4 or 16 at the end of the delegations.")
    for index, name in enumerate(parts):
        role, latest = roles[name], roles["latest"]
        digits = list(_DIGITS[index * each : (index + 1) * each])
        if not role.terminating or role.paths is not None or role.path_hash_prefixes != digits:
            raise ProfileError(f"The role {name} is not delegated as FORMATS section 2 says.")
        if (role.keyids, role.threshold) != (latest.keyids, latest.threshold):
            raise ProfileError(f"The role {name} has other signers than latest.")


def find_pointer_role(roles: Mapping[str, DelegatedRole], pointer: str) -> str:
    """Return the role in which TUF finds the target `pointer`: the first one that may hold it."""
    for name, role in roles.items():
        if (name == "latest" or is_part(name)) and role.is_delegated_path(pointer):
            return name
    return "latest"
