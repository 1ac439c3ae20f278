"""`keys list` and `keys show`: what keys there are, who keeps them, and what they may sign."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from server.place_options import is_given, place_option
from server.tables import Cell, print_table
from signer.cli.failures import json_option
from signer.cli.keystores import open_keystore
from signer.cli.output import print_json
from signer.cli.parameters import FOLDER, KEY_NAME

if TYPE_CHECKING:
    from signer.keys.key_folder import KeyRole
    from signer.keys.keystore import Keystore
    from signer.keys.public_key import PublicKey

_WHERE = {"file": "here", "token": "on a token", "public only": "elsewhere"}


@click.command("list", epilog="Example: hening-signer keys list --keys keys --repo repo --json")
@place_option("keys", "folder", type=FOLDER, help="The folder of key files.")
@place_option(
    "repo", type=FOLDER, required=False, help="To see who may sign what: the working folder."
)
@json_option
def list_keys(folder: Path, repo: Path | None, as_json: bool) -> None:
    """List the keys of a folder: holder, private half, key id, and with --repo what they sign."""
    store = open_keystore(folder)
    keys = store.load_public_keys()
    roles = _find_roles(keys, repo)
    if as_json:
        print_json({"keys": [_describe(store, key, roles) for key in keys]})
        return
    rows: list[tuple[Cell, ...]] = [
        (
            key.name,
            _WHERE[store.kind(key.name)],
            key.holder or "-",
            *([] if roles is None else [_sign_list(roles[key.name])]),
            _half_id(key.keyid),
        )
        for key in keys
    ]
    signs = () if roles is None else ("signs",)
    columns = ("name", "private half", "holder", *signs, "key id, first half")
    print_table("Keys", columns, rows, empty=f"No keys are in {folder}: `keys new` makes them.")


@click.command("show", epilog="Example: hening-signer keys show armani-1 --keys keys --repo repo")
@click.argument("name", metavar="NAME", type=KEY_NAME)
@place_option("keys", "folder", type=FOLDER, help="The folder of key files.")
@place_option(
    "repo", type=FOLDER, required=False, help="To see what it may sign: the working folder."
)
@json_option
def show_key(name: str, folder: Path, repo: Path | None, as_json: bool) -> None:
    """Show one key, and with --repo every role that it may sign."""
    from signer.keys.public_key import group_key_id

    store = open_keystore(folder)
    key = store.load_public_key(name)
    roles = _find_roles([key], repo)
    if as_json:
        print_json(_describe(store, key, roles))
        return
    rows = [
        ("holder", key.holder or "-"),
        ("private half", _WHERE[store.kind(name)]),
        ("key id", group_key_id(key.keyid, 64)),
        ("public half", key.public),
    ]
    print_table(f"Key {name}", ("what", "value"), rows)
    for role in [] if roles is None else roles[name]:
        click.echo(f"May sign {role.role}: {_explain(role)}.")
    if roles is not None and not roles[name]:
        click.echo(f"{repo} lists it for no role, so nothing that it signs counts.")


def _half_id(keyid: str) -> Text:
    """Return the first half of a key id on two lines that are not wrapped, as people compare it."""
    from signer.keys.public_key import group_key_id

    lines = (group_key_id(keyid[start:], 16) for start in (0, 16))
    return Text("\n".join(lines), no_wrap=True)


def _find_roles(keys: Sequence[PublicKey], repo: Path | None) -> dict[str, list[KeyRole]] | None:
    # What only a variable or `hening.toml` names may not be made yet.
    from signer.keys.key_folder import find_key_roles
    from signer.signing import load_trusted
    from signer.work_folder import WorkFolder

    if repo is None or not (is_given("repo") or WorkFolder(repo).exists()):
        return None
    trusted = load_trusted(WorkFolder(repo), None)
    return {key.name: find_key_roles(key.keyid, trusted.root, trusted.targets) for key in keys}


def _describe(
    store: Keystore, key: PublicKey, roles: dict[str, list[KeyRole]] | None
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "holder": key.holder,
        "keyid": key.keyid,
        "kind": store.kind(key.name),
        "name": key.name,
        "private": store.has_private(key.name),
        "public": key.public,
        "role": key.role,
    }
    if roles is not None:
        described["signs"] = [
            {
                "alone": role.is_enough,
                "keys": role.keys,
                "role": role.role,
                "threshold": role.threshold,
            }
            for role in roles[key.name]
        ]
    return described


def _sign_list(roles: Sequence[KeyRole]) -> str:
    return (
        ", ".join(f"{role.role} ({role.threshold} of its {role.keys} keys)" for role in roles)
        or "nothing"
    )


def _explain(role: KeyRole) -> str:
    if role.is_enough:
        return f"alone, as each of its {role.keys} keys can" if role.keys > 1 else "alone"
    return f"with {role.threshold - 1} more of its {role.keys} keys"
