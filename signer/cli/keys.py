"""`keys`: make signing keys, exchange their public halves, and see who may sign what."""

from pathlib import Path

import click

from server.place_options import place_option
from signer.cli.failures import json_option
from signer.cli.keys_exchange import export_key, import_keys
from signer.cli.keys_list import list_keys, show_key
from signer.cli.keystores import HOLDER, open_keystore
from signer.cli.output import print_json
from signer.cli.parameters import FOLDER, KEY_NAME
from signer.cli.passphrases import (
    NEW_VARIABLE,
    Passphrases,
    new_passphrase_option,
    passphrase_option,
)
from signer.cli.surroundings import Surroundings
from signer.keys.key_name import OFFLINE_COMMON_ROLES, POLICY_ROLE


@click.group("keys", epilog="Example: hening-signer keys list --keys keys")
def keys_commands() -> None:
    """Make signing keys, exchange their public halves, see who may sign what."""


for _command in (import_keys, export_key, list_keys, show_key):
    keys_commands.add_command(_command)


@keys_commands.command(
    epilog="Example: hening-signer keys new --keys keys --holder bob root-1 armani-1",
)
@click.argument("names", metavar="NAME...", type=KEY_NAME, nargs=-1, required=True)
@place_option("keys", "folder", type=FOLDER, help="The folder of key files.")
@click.option("--holder", type=HOLDER, default="", help="Who keeps them; it is never published.")
@click.option("--token", metavar="LABEL", help="Make them on this PKCS #11 token.")
@click.option("--module", metavar="PATH", help="The PKCS #11 library of the token.")
@passphrase_option
@json_option
@click.pass_obj
def new(
    surroundings: Surroundings,
    names: tuple[str, ...],
    folder: Path,
    holder: str,
    token: str | None,
    module: str | None,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Make key pairs: NAME.pub, and NAME.key, encrypted, or NAME.token.

    A NAME is ROLE-N: root, targets, tables, content, policy or a codename, and a number. With
    --token the private half is made on the token and cannot leave it.
    """
    from signer.keys.enrolment import create_token_keys

    store = open_keystore(folder)
    passphrases = Passphrases(passphrase_fd, surroundings.environment)
    if token is not None and module is not None:
        made = create_token_keys(
            store, names, module, token, passphrases, surroundings.entropy, holder
        )
    elif token is not None or module is not None:
        raise click.UsageError("--token and --module belong together; give both or neither.")
    else:
        made = store.create_keys(names, passphrases.choose, surroundings.entropy, holder)
    if as_json:
        print_json({"keys": [{"keyid": key.keyid, "name": key.name} for key in made]})
        return
    for key in made:
        kind = "role" if key.role in {*OFFLINE_COMMON_ROLES, POLICY_ROLE} else "model"
        click.echo(f"Made {key.name} for the {kind} {key.role}, key id {key.keyid}.")


@keys_commands.command(
    epilog="Example: hening-signer keys passphrase --keys keys root-1",
)
@click.argument("names", metavar="NAME...", type=KEY_NAME, nargs=-1, required=True)
@place_option("keys", "folder", type=FOLDER, help="The folder of key files.")
@passphrase_option
@new_passphrase_option
@json_option
@click.pass_obj
def passphrase(
    surroundings: Surroundings,
    names: tuple[str, ...],
    folder: Path,
    passphrase_fd: int | None,
    new_passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Encrypt key files under new passphrases.

    Copies in backups keep the old ones: whoever has both can still sign.
    """
    old = Passphrases(passphrase_fd, surroundings.environment)
    new = Passphrases(new_passphrase_fd, surroundings.environment, NEW_VARIABLE)
    open_keystore(folder).change_passphrases(names, old, new.choose, surroundings.entropy)
    if as_json:
        print_json({"keys": [{"name": name} for name in names]})
        return
    for name in names:
        click.echo(f"{name} has a new passphrase; copies in backups still open with the old one.")
