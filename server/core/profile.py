"""The profile: TUF metadata that hening refuses although TUF allows it.

Source: docs/FORMATS.md section 2; comments at the checks give its rule numbers. The profile is a
separate layer, so that the TUF state machine below it can be tested without it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

from nacl.bindings import crypto_core_ed25519_is_valid_point
from securesystemslib.formats import encode_canonical
from tuf.api.metadata import DelegatedRole, Key, Role, Root, Targets

from server.core.encodings import is_sha256
from server.core.errors import FormatError, ProfileError
from server.core.latest import SPLITS, part_prefixes
from server.core.limits import decode_lifetimes, decode_resets
from server.core.names import COMMON_ROLES, is_codename, is_latest, is_part, role_pattern
from server.core.note import VerifierKey, decode_verifier_key


def check_root(root: Root) -> None:
    """Raise ProfileError for a root that breaks rules 1 to 3, 5, 6 or 8, or names no log."""
    if root.consistent_snapshot is not True:
        raise ProfileError("root does not ask for consistent snapshots.")
    check_keys(root.keys)
    for name, role in root.roles.items():
        _check_threshold(name, role, root.keys)
    # Rule 8: if one online key is stolen, a new root can undo the damage only if the keys differ.
    snapshot, timestamp = set(root.roles["snapshot"].keyids), set(root.roles["timestamp"].keyids)
    offline = {*root.roles["root"].keyids, *root.roles["targets"].keyids}
    if snapshot & timestamp or (snapshot | timestamp) & offline:
        raise ProfileError("snapshot, timestamp and the offline roles do not have separate keys.")
    log_verifier(root)
    decode_lifetimes(root)
    decode_resets(root)


def log_verifier(root: Root) -> VerifierKey:
    """Return the verifier key of the transparency log that root's `custom` names."""
    custom = root.unrecognized_fields.get("custom")
    schema = custom.get("schema") if isinstance(custom, dict) else None
    if not isinstance(custom, dict) or type(schema) is not int or schema != 1:
        raise ProfileError("root has no `custom` object of schema 1.")
    text = custom.get("log")
    if not isinstance(text, str):
        raise ProfileError("root names no log key.")
    try:
        key = decode_verifier_key(text)
    except FormatError as error:
        raise ProfileError(f"root's log key is malformed: {error}") from error
    check_point(key.public.hex())
    return key


def check_targets(root: Root, targets: Targets) -> None:
    """Raise ProfileError for a top-level targets role that breaks rules 1 to 7."""
    if targets.targets:
        raise ProfileError("the targets role lists targets, but it may only delegate.")
    delegations = targets.delegations
    if delegations is None or delegations.roles is None:
        raise ProfileError("the targets role has no delegations by name.")
    # Rule 4, a role with two delegators, needs no separate check: delegated roles may not delegate
    # (`check_delegated`), and python-tuf refuses a name that occurs twice in one delegation.
    check_keys({**root.keys, **delegations.keys})
    for name in COMMON_ROLES:
        if name not in delegations.roles:
            raise ProfileError(f"the targets role does not delegate to {name}.")
    for name, role in delegations.roles.items():
        _check_delegation(name, role)
        _check_threshold(name, role, delegations.keys)
    _check_parts(delegations.roles)
    offline = {name: r.keyids for name, r in delegations.roles.items() if not is_latest(name)}
    offline |= {name: root.roles[name].keyids for name in ("root", "targets")}
    online = {name: root.roles[name].keyids for name in ("snapshot", "timestamp")}
    online["latest"] = delegations.roles["latest"].keyids
    for name, keyids in offline.items():
        for other, others in online.items():
            if set(keyids) & set(others):
                raise ProfileError(f"the online role {other} shares a key with {name}.")


def check_delegated(name: str, targets: Targets) -> None:
    """Raise ProfileError for a delegated role that delegates further or lists forbidden paths."""
    if targets.delegations is not None:
        raise ProfileError(f"{name} delegates to other roles, but only targets may delegate.")
    for path, target in targets.targets.items():
        if not path.startswith("latest/" if is_latest(name) else f"{name}/"):
            raise ProfileError(f"{name} lists {path[:80]!r}, which is not a path of this role.")
        if type(target.length) is not int:  # python-tuf accepts `true` as 1
            raise ProfileError(f"{name} lists {path[:80]!r} with a length that is not a number.")
        if set(target.hashes) != {"sha256"}:
            raise ProfileError(f"{name} lists {path[:80]!r} with hashes other than sha256.")
        if not is_sha256(target.hashes["sha256"]):
            raise ProfileError(f"{name} lists {path[:80]!r} with a malformed sha256.")


def check_keys(keys: Mapping[str, Key]) -> None:
    """Raise ProfileError unless every key is a valid Ed25519 key under its own id, and unique."""
    seen: dict[str, str] = {}
    for keyid, key in keys.items():
        if (key.keytype, key.scheme, set(key.keyval)) != ("ed25519", "ed25519", {"public"}):
            raise ProfileError(f"the key {keyid[:16]} is not an ed25519 key.")  # rule 6
        public = key.keyval["public"]
        check_point(public)
        if seen.setdefault(public, keyid) != keyid:
            raise ProfileError(f"the key {public[:16]} has two ids.")  # rule 1
        canonical = encode_canonical(
            {
                "keytype": "ed25519",
                "keyval": {"public": public},
                "scheme": "ed25519",
            }
        )
        if (
            canonical is None
            or key.unrecognized_fields
            or hashlib.sha256(canonical.encode()).hexdigest() != keyid
        ):
            raise ProfileError(f"the key id {keyid[:16]} is not the hash of its key.")  # rule 2


def check_point(public: object) -> None:
    """Raise ProfileError unless `public` is a canonical point of large order (rule 3)."""
    try:
        raw = bytes.fromhex(public) if isinstance(public, str) else b""
    except ValueError:
        raw = b""
    if len(raw) != 32 or raw.hex() != public:
        raise ProfileError(f"{str(public)[:70]!r} is not 32 bytes of lower-case hex.")
    if not _is_valid_point(raw):
        raise ProfileError(f"the key {raw.hex()[:16]} is not a canonical point of large order.")


@lru_cache(maxsize=4096)  # checking costs 50 us, and new versions have the keys of the old ones
def _is_valid_point(raw: bytes) -> bool:
    return crypto_core_ed25519_is_valid_point(raw)


def _check_delegation(name: object, role: DelegatedRole) -> None:
    # python-tuf checks the type of neither the name nor `terminating`.
    if isinstance(name, str) and is_part(name):
        return  # see `_check_parts`
    if not isinstance(name, str) or (not is_codename(name) and name not in COMMON_ROLES):
        raise ProfileError(f"{str(name)[:64]!r} is not a name for a delegated role.")
    if (
        role.terminating is not True
        or role.path_hash_prefixes
        or role.paths != [role_pattern(name)]
    ):
        raise ProfileError(f"the delegation to {name} is not terminating for its own path.")


def _check_parts(roles: Mapping[str, DelegatedRole]) -> None:
    parts = [name for name in roles if is_part(name)]
    if not parts:
        return
    if len(parts) not in SPLITS or [*roles][-len(parts) - 1 :] != [
        *part_prefixes(len(parts)),
        "latest",
    ]:
        # Parts match hashes of paths, so they would end the look-ups of all roles after them.
        raise ProfileError("latest is split, but not into 4 or 16 parts after all other roles.")
    whole = roles["latest"]
    for name, prefixes in part_prefixes(len(parts)).items():
        part = roles[name]
        if (
            part.terminating is not True
            or part.paths is not None
            or part.path_hash_prefixes != [*prefixes]
        ):
            raise ProfileError(f"the delegation to {name} is not terminating for its own hashes.")
        if part.keyids != whole.keyids or part.threshold != whole.threshold:
            raise ProfileError(
                f"{name} does not have the keys and the threshold of latest, whose part it is."
            )


def _check_threshold(name: str, role: Role | DelegatedRole, keys: Iterable[str]) -> None:
    if type(role.threshold) is not int or not 1 <= role.threshold <= len(set(role.keyids)):
        raise ProfileError(
            f"{name} requires {role.threshold} signatures but has {len(set(role.keyids))} keys."
        )
    if not set(role.keyids) <= set(keys):
        raise ProfileError(f"{name} names a key that is missing.")
