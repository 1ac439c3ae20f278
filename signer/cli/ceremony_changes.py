"""`ceremony holders`, `model` and `online`: who signs what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from signer.ceremony.policy import MODEL_THRESHOLD
from signer.cli.ceremony_renewal import expires_option
from signer.cli.change import Destination, change_options, finish_change
from signer.cli.parameters import (
    CODENAME,
    EXISTING_FILE,
    KEY_NAME,
    ROLE_KEY,
    NumberAssignment,
    collected,
)
from signer.errors import CeremonyError

if TYPE_CHECKING:
    from signer.keys.public_key import PublicKey

MAX_KEYS = 999  # as many as there are numbers in key names


@click.command(
    epilog="Example: hening-signer ceremony holders --repo repo --keys keys --add root-4"
    " --remove root-2 --propose rotation.json"
)
@click.option(
    "--add", type=KEY_NAME, multiple=True, help="Enrol a key of the key folder; may be repeated."
)
@click.option(
    "--remove",
    type=ROLE_KEY,
    multiple=True,
    metavar="NAME",
    help="Take a key away: its name in the key folder, or ROLE:KEYID. May be repeated.",
)
@click.option(
    "--threshold",
    "thresholds",
    type=NumberAssignment(MAX_KEYS),
    multiple=True,
    callback=collected,
    metavar="ROLE=N",
    help="Signatures that a role asks for from then on.",
)
@expires_option
@change_options
def holders(
    add: tuple[str, ...],
    remove: tuple[str, ...],
    thresholds: dict[str, int],
    expiry_days: dict[str, int],
    destination: Destination,
) -> None:
    """Change who signs: enrol keys, take keys away, change how many must sign.

    To rotate a key, add the new one and remove the old one. A role that would lack signatures
    afterwards is signed again in the same proposal.
    """
    from signer.ceremony.changes import HolderChange, SignedRole, plan_holders
    from signer.proposal.document import Change
    from signer.signing import load_delegated, load_trusted

    keys = {key.name: key for key in destination.load_public_keys()}
    request = HolderChange(
        tuple(find_key(name, keys) for name in add),
        tuple(find_removal(text, keys) for text in remove),
        thresholds,
        expiry_days,
    )
    trusted = load_trusted(destination.folder, None)
    affected = [role for role in request.roles if role in trusted.versions]
    loaded = {
        role: SignedRole(*load_delegated(destination.folder, trusted, role))
        for role in affected
        if role not in {"root", "targets"}
    }
    data = destination.folder.load("targets", trusted.targets.version)
    loaded["targets"] = SignedRole(data, trusted.targets)
    planned = plan_holders(request, trusted.root, loaded, destination.now)
    finish_change(destination, Change(planned))


@click.command(
    epilog="Example: hening-signer ceremony model cannon --repo repo --keys keys --threshold 2"
    " --propose cannon.json"
)
@click.argument("codename", type=CODENAME)
@click.option(
    "--threshold",
    type=click.IntRange(1, MAX_KEYS),
    default=MODEL_THRESHOLD,
    show_default=True,
    help="Signatures that the model's role asks for.",
)
@expires_option
@change_options
def model(
    codename: str, threshold: int, expiry_days: dict[str, int], destination: Destination
) -> None:
    """Add a model, signed by all keys CODENAME-N of the key folder."""
    from signer.ceremony.changes import plan_model
    from signer.proposal.document import Change
    from signer.signing import load_trusted

    keys = [key for key in destination.load_public_keys() if key.role == codename]
    planned = plan_model(
        codename,
        keys,
        threshold,
        load_trusted(destination.folder, None).targets,
        expiry_days,
        destination.now,
    )
    finish_change(destination, Change(planned))


@click.command(
    epilog="Example: hening-signer ceremony online --repo repo --online public.json --overlap"
    " --propose online.json"
)
@click.option(
    "--online", type=EXISTING_FILE, required=True, help="public.json of `hening-server keys new`."
)
@click.option(
    "--overlap", is_flag=True, help="Keep the present keys beside the new ones: a planned rotation."
)
@expires_option
@change_options
def online(
    online: Path, overlap: bool, expiry_days: dict[str, int], destination: Destination
) -> None:
    """Name other keys of the server: snapshot, timestamp, latest and the log's.

    A planned rotation is two changes: one with --overlap, and a later one without. After a theft,
    the one without --overlap alone.
    """
    from signer.ceremony.changes import plan_online
    from signer.ceremony.plan import MAX_ONLINE_KEYS, decode_online_keys
    from signer.proposal.document import Change
    from signer.signing import load_trusted

    with online.open("rb") as file:
        keys = decode_online_keys(file.read(MAX_ONLINE_KEYS + 1))
    trusted = load_trusted(destination.folder, None)
    planned = plan_online(
        trusted.root,
        trusted.targets,
        keys,
        overlap=overlap,
        expiry_days=expiry_days,
        now=destination.now,
    )
    finish_change(destination, Change(planned))


def find_key(name: str, keys: Mapping[str, PublicKey]) -> PublicKey:
    """Return a key of the key folder by its name; raises CeremonyError."""
    if name not in keys:
        raise CeremonyError(f"There is no key {name} in the key folder; import its public half.")
    return keys[name]


def find_removal(text: str, keys: Mapping[str, PublicKey]) -> tuple[str, str]:
    """Return role and key id of a key to remove, given by its name or as ROLE:KEYID."""
    role, colon, keyid = text.partition(":")
    if colon:
        return role, keyid
    key = find_key(text, keys)
    return key.role, key.keyid
