"""`keys import` and `keys export`: public halves from and for other people and tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.place_options import place_option
from signer.cli.output import json_option, print_json
from signer.cli.parameters import EXISTING_FILE, FOLDER, KEY_NAME
from signer.cli.passphrases import Passphrases, passphrase_option
from signer.cli.runtime import HOLDER, Runtime, open_keystore
from signer.durable import write_once

if TYPE_CHECKING:
    from signer.keys.public_key import Format, PublicKey


@click.command(
    "import",
    epilog="Example: hening-signer keys import root-2.pub --keys keys --holder carol",
)
@click.argument("files", metavar="[FILE...]", type=EXISTING_FILE, nargs=-1)
@place_option("keys", "folder", type=FOLDER, help="The folder of key files.")
@click.option("--name", type=KEY_NAME, help="The key's name. Default: the file's, without ending.")
@click.option("--holder", type=HOLDER, default="", help="The person who holds it; never published.")
@click.option("--token", metavar="LABEL", help="Take a key that is on this PKCS #11 token.")
@click.option("--module", metavar="PATH", help="The PKCS #11 library of the token.")
@click.option("--id", "key_id", metavar="HEX", help="The id of the key on the token.")
@passphrase_option
@json_option
@click.pass_obj
def import_keys(
    runtime: Runtime,
    files: tuple[Path, ...],
    folder: Path,
    name: str | None,
    holder: str,
    token: str | None,
    module: str | None,
    key_id: str | None,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Enrol public keys of other holders, or a key that is on a token.

    A FILE is NAME.pub of this tool, a public key in PEM as openssl writes it, or a TUF key object.
    """
    from signer.keys.enrolment import enrol_public_keys, enrol_token_key
    from signer.keys.key_file import TokenKey
    from signer.keys.public_key import group_key_id

    store = open_keystore(folder)
    if token is not None and module is not None and key_id is not None and name is not None:
        if files:
            raise click.UsageError("A key comes from a FILE or from a token; give one of them.")
        passphrases = Passphrases(passphrase_fd, runtime.environment)
        token_key = TokenKey(module, token, key_id)
        taken = [enrol_token_key(store, name, token_key, passphrases, holder)]
    elif token is not None or module is not None or key_id is not None:
        raise click.UsageError("A token's key takes --token, --module, --id and --name together.")
    else:
        given = _load_files(files, name, holder)
        taken = enrol_public_keys(store, given)
        if not as_json:
            for key in given:
                if key not in taken:
                    click.echo(f"{key.name} is there already.")
    if as_json:
        found = [{"holder": key.holder, "keyid": key.keyid, "name": key.name} for key in taken]
        print_json({"keys": found})
        return
    for key in taken:
        click.echo(
            f"Took {key.name}, key id {group_key_id(key.keyid)}; compare that with what its holder"
            " reads out."
        )


def _load_files(files: tuple[Path, ...], name: str | None, holder: str) -> list[PublicKey]:
    from signer.keys.public_key import MAX_FOREIGN_KEY, PublicKey, decode_any

    if not files:
        raise click.UsageError("There is nothing to take; give a FILE, or --token.")
    if name is not None and len(files) > 1:
        raise click.UsageError("--name is for one FILE; give the others in commands of their own.")
    keys = []
    for path in files:
        with path.open("rb") as file:
            key = decode_any(name or path.stem, file.read(MAX_FOREIGN_KEY + 1))
        keys.append(PublicKey(key.name, key.public, holder or key.holder))
    return keys


@click.command(
    "export",
    epilog="Example: hening-signer keys export root-1 --keys keys --format pem --out root-1.pem",
)
@click.argument("name", metavar="NAME", type=KEY_NAME)
@place_option("keys", "folder", type=FOLDER, help="The folder of key files.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["pub", "pem", "tuf"]),
    default="pub",
    show_default=True,
    help="The file of this tool, PEM as openssl reads it, or a TUF key object.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="A new file. Default: print it."
)
@json_option
def export_key(name: str, folder: Path, form: Format, out: Path | None, as_json: bool) -> None:
    """Export the public half of a key."""
    from signer.keys.public_key import encode_as

    key = open_keystore(folder).load_public_key(name)
    data = encode_as(key, form)
    if out is not None:
        write_once(out, data)
    if as_json:
        print_json({"format": form, "keyid": key.keyid, "name": name, "text": data.decode()})
    elif out is None:
        click.echo(data, nl=False)
    else:
        click.echo(f"Wrote the public half of {name}, key id {key.keyid}, to {out}.")
