"""The rules that this system adds to TUF (FORMATS section 2), checked on verified metadata."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from securesystemslib.signer import Key
from tuf.api.metadata import DelegatedRole, Role, Root, Targets

from client_sim.device.errors import LogError, ProfileError
from client_sim.device.pointer import check_parts, is_part
from client_sim.device.release import CODENAME, is_codename, read_members
from client_sim.device.tlog import LogKey, decode_log_key, is_good_point

_PUBLIC: Final = re.compile(r"[0-9a-f]{64}")
_VKEY_LIMIT: Final = 256
_PATTERNS: Final = {"latest": "latest/*/*/*", "tables": "tables/*/*", "content": "content/*/*"}
_ONLINE: Final = ("snapshot", "timestamp")
_CACHED: Final = 256  # cached keys, for simulations of many phones


def check_root(root: Root) -> LogKey:
    """Check rules 1 to 3, 5, 6 and 8 on root and return the log's key; raises ProfileError."""
    if root.consistent_snapshot is not True:
        raise ProfileError("The root does not promise consistent snapshots.")
    _check_keys(root.keys)
    for name, role in root.roles.items():
        _check_threshold(name, role, root.keys)
    snapshot, timestamp = (set(root.roles[name].keyids) for name in _ONLINE)
    offline = {*root.roles["root"].keyids, *root.roles["targets"].keyids}
    if snapshot & timestamp or (snapshot | timestamp) & offline:
        raise ProfileError("The snapshot or the timestamp shares a key with another role.")
    try:
        custom = read_members("The root", ProfileError, root.unrecognized_fields.get("custom"))
        custom.schema("schema")
        key = decode_log_key(custom.text("log", _VKEY_LIMIT))
    except LogError as error:
        raise ProfileError(f"The root names no usable log: {error}") from error
    if not is_good_point(key.public):
        raise ProfileError("The root names a log key whose signatures can be forged.")
    return key


def check_targets(root: Root, targets: Targets) -> None:
    """Check rules 1 to 9 on the top-level targets; raises ProfileError."""
    if targets.targets:
        raise ProfileError("The targets role lists targets of its own, but it may only delegate.")
    delegations = targets.delegations
    if delegations is None:
        raise ProfileError("The targets role delegates to no role.")
    if delegations.succinct_roles is not None or delegations.roles is None:
        raise ProfileError("The targets role delegates to hashed bins, which is not used here.")
    # Ids are hashes of keys (rule 2), so one key cannot have two ids in two files either.
    _check_keys({**root.keys, **delegations.keys})
    _check_keys(delegations.keys)
    if missing := _PATTERNS.keys() - delegations.roles.keys():
        raise ProfileError(f"The targets role does not delegate to {min(missing)}.")
    check_parts(delegations.roles)
    for name, role in delegations.roles.items():
        if not is_part(name):
            _check_delegation(name, role)
        _check_threshold(name, role, delegations.keys)
    latest = delegations.roles["latest"]
    online = {*latest.keyids, *(key for name in _ONLINE for key in root.roles[name].keyids)}
    offline = [root.roles["root"], root.roles["targets"]]
    offline += [
        role for name, role in delegations.roles.items() if name != "latest" and not is_part(name)
    ]
    if online & {keyid for role in offline for keyid in role.keyids}:
        raise ProfileError("An online role shares a key with an offline role.")


def check_leaf_role(name: str, role: Targets) -> None:
    """Check that a delegated role lists only its own paths (rule 9); raises ProfileError."""
    folder = "latest/" if is_part(name) else f"{name}/"
    if role.delegations is not None:
        raise ProfileError(f"The role {name} delegates further, which is not allowed.")
    for path, target in role.targets.items():
        if not path.startswith(folder):
            raise ProfileError(f"The role {name} lists a path that is not its own.")
        if type(target.length) is not int or target.hashes.keys() != {"sha256"}:
            raise ProfileError(f"The role {name} lists a path without one length and one sha256.")


def _check_keys(keys: Mapping[str, Key]) -> None:
    seen: dict[str, str] = {}
    for keyid, key in keys.items():
        if key.keytype != "ed25519" or key.scheme != "ed25519":
            raise ProfileError("A key is not ed25519.")
        public = key.keyval.get("public")
        if not isinstance(public, str) or not _PUBLIC.fullmatch(public):
            raise ProfileError("An ed25519 key is not 64 lower-case hexadecimal digits.")
        if seen.setdefault(public, keyid) != keyid:
            raise ProfileError("One key is listed under two ids, so it could count twice.")
        if keyid != _hash_key(public) or set(key.keyval) != {"public"} or key.unrecognized_fields:
            raise ProfileError("A key is listed under an id that is not its hash.")
        if not is_good_point(bytes.fromhex(public)):
            raise ProfileError("A key is one whose signatures can be forged.")


@lru_cache(_CACHED)
def _hash_key(public: str) -> str:
    canonical = f'{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}'
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _check_threshold(name: str, role: Role, keys: Iterable[str]) -> None:
    distinct = set(role.keyids)
    if type(role.threshold) is not int or not 1 <= role.threshold <= len(distinct):
        raise ProfileError(f"The role {_show(name)} has a threshold that its keys cannot meet.")
    if not distinct <= set(keys):
        raise ProfileError(f"The role {_show(name)} names a key that is not listed.")


def _check_delegation(name: str, role: DelegatedRole) -> None:
    if name not in _PATTERNS and not is_codename(name):
        raise ProfileError(f"The role {_show(name)} must not be delegated to.")
    pattern = _PATTERNS.get(name, f"{name}/*/*/*")
    if role.path_hash_prefixes is not None or role.paths != [pattern] or not role.terminating:
        raise ProfileError(f"The role {name} is not delegated as FORMATS section 2 says.")


def _show(name: str) -> str:
    """Return a role's name if it is safe to show."""
    return name if CODENAME.fullmatch(name) else "with an impossible name"
