"""`keys`: make signing keys and list them."""

from pathlib import Path

import click

from signer.cli.failures import json_option
from signer.cli.output import print_json, print_table
from signer.cli.parameters import FOLDER, KEY_NAME
from signer.cli.passphrases import Passphrases, passphrase_option
from signer.cli.surroundings import Surroundings
from signer.keystore import Keystore
from signer.public_key import OFFLINE_COMMON_ROLES


@click.group("keys", epilog="Example: hening-signer keys list --keys keys")
def keys_commands() -> None:
    """Make signing keys and list them."""


@keys_commands.command(
    epilog="Example: hening-signer keys new --keys keys root-1 root-2 root-3 armani-1",
)
@click.argument("names", metavar="NAME...", type=KEY_NAME, nargs=-1, required=True)
@click.option("--keys", "folder", type=FOLDER, required=True, help="The folder of key files.")
@passphrase_option
@json_option
@click.pass_obj
def new(
    surroundings: Surroundings,
    names: tuple[str, ...],
    folder: Path,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Make key pairs: NAME.key, encrypted, and NAME.pub.

    A NAME is ROLE-N: root, targets, tables, content or a codename, and a number.
    """
    passphrases = Passphrases(passphrase_fd, surroundings.environment)
    made = Keystore(folder).create_keys(names, passphrases.choose(), surroundings.entropy)
    if as_json:
        print_json({"keys": [{"keyid": key.keyid, "name": key.name} for key in made]})
        return
    for key in made:
        kind = "role" if key.role in OFFLINE_COMMON_ROLES else "model"
        click.echo(f"Made {key.name} for the {kind} {key.role}, key id {key.keyid}.")


@keys_commands.command("list", epilog="Example: hening-signer keys list --keys keys --json")
@click.option("--keys", "folder", type=FOLDER, required=True, help="The folder of key files.")
@json_option
def list_keys(folder: Path, as_json: bool) -> None:
    """List the keys of a folder and the role that each signs."""
    store = Keystore(folder)
    found = [
        {
            "keyid": key.keyid,
            "name": key.name,
            "private": store.has_private(key.name),
            "public": key.public,
            "role": key.role,
        }
        for key in store.load_public_keys()
    ]
    if as_json:
        print_json({"keys": found})
        return
    print_table(
        "Keys",
        ("name", "role", "private half", "key id"),
        [
            (
                str(key["name"]),
                str(key["role"]),
                "here" if key["private"] else "elsewhere",
                str(key["keyid"]),
            )
            for key in found
        ],
    )
