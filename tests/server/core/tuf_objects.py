"""Signed TUF objects that obey the profile; tests then break one rule."""

import hashlib
import json
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXPIRES = datetime(2026, 4, 1, tzinfo=UTC)
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
PATTERNS = {
    "armani": "armani/*/*/*",
    "tables": "tables/*/*",
    "content": "content/*/*",
    "latest": "latest/*/*/*",
}


def signer(name):
    """Return the signer whose seed is derived from the name."""
    return CryptoSigner(Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b".")[:32]))


def keys_of(role):
    """Return the signers of a role: two for offline roles, one for online ones."""
    if role in {"latest", "snapshot", "timestamp"}:
        return [signer(role)]
    return [signer(f"{role} {number}") for number in (1, 2)]


def make_root(version=1):
    """Return a root that obeys the profile."""
    root = Root(version=version, expires=EXPIRES, consistent_snapshot=True)
    for role in ("root", "targets", "snapshot", "timestamp"):
        for each in keys_of(role):
            root.add_key(each.public_key, role)
        root.roles[role].threshold = len(keys_of(role))
    root.unrecognized_fields["custom"] = {"log": VKEY, "schema": 1}
    return root


def make_targets():
    """Return top-level targets that obey the profile and delegate to one model."""
    delegations = Delegations({}, {})
    targets = Targets(expires=EXPIRES, delegations=delegations)
    for name, pattern in PATTERNS.items():
        delegations.roles[name] = DelegatedRole(
            name, [], len(keys_of(name)), terminating=True, paths=[pattern]
        )
        for each in keys_of(name):
            targets.add_key(each.public_key, name)
    return targets


def make_role(targets=None, **custom):
    """Return a delegated role with these targets, `{path: custom}`, and members of `custom`."""
    role = Targets(expires=EXPIRES)
    if custom:
        role.unrecognized_fields["custom"] = custom
    for path, value in (targets or {}).items():
        fields = {} if value is None else {"custom": value}
        role.targets[path] = TargetFile(3, {"sha256": ABC}, path, fields)
    return role


def make_snapshot():
    """Return an empty snapshot."""
    return Snapshot(expires=EXPIRES)


def make_timestamp():
    """Return the first timestamp."""
    return Timestamp(expires=EXPIRES)


def signed(value, *signers):
    """Return the bytes of a signed value, made by python-tuf's own serialiser."""
    metadata = Metadata(value)
    for each in signers:
        metadata.sign(each, append=True)
    return metadata.to_bytes()


def edited(value, change, *signers):
    """Return bytes of `value` after `change(document)`, with valid signatures of the change.

    The canonical form of the changed `signed` part is signed, as by an attacker with the keys and a
    serialiser.
    """
    document = json.loads(Metadata(value).to_bytes())
    change(document["signed"])
    metadata = Metadata.from_bytes(json.dumps(document).encode())
    for each in signers:
        metadata.sign(each, append=True)
    return json.dumps(metadata.to_dict()).encode()


def key_of(public, keyid=None):
    """Return a key object with this public key in hex; its id is correct unless one is given."""
    text = f'{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}'
    right = hashlib.sha256(text.encode()).hexdigest()
    return SSlibKey(keyid or right, "ed25519", "ed25519", {"public": public})
