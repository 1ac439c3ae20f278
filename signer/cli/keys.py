"""`keys`: make signing keys, exchange their public halves, and list which key signs what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from server.place_options import is_given, place_option
from server.tables import Cell, print_table
from signer.cli.output import json_option, print_json
from signer.cli.parameters import EXISTING_FILE, FOLDER, KEY_NAME, read_limited
from signer.cli.passphrases import (
    NEW_VARIABLE,
    Passphrases,
    new_passphrase_option,
    passphrase_option,
)
from signer.cli.runtime import HOLDER, Runtime, open_keystore
from signer.durable import write_once
from signer.keys.key_name import OFFLINE_COMMON_ROLES, POLICY_ROLE

if TYPE_CHECKING:
    from signer.keys.keystore import Keystore
    from signer.keys.public_key import Format, PublicKey
    from signer.signing import KeyRole

_WHERE = {"file": "here", "token": "on a token", "public only": "elsewhere"}


@click.command("list", epilog="Example: hening-signer keys list --keys keys --repo repo --json")
@place_option("keys", "folder", type=FOLDER, help="The folder of key files.")
@place_option(
    "repo", type=FOLDER, required=False, help="The working folder; it says which key signs what."
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
    "repo", type=FOLDER, required=False, help="The working folder; it says what the key may sign."
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
        click.echo(f"{repo} lists it for no role, so its signatures are not valid.")


def _half_id(keyid: str) -> Text:
    """Return the first half of a key id on two lines, unwrapped, for people to compare."""
    from signer.keys.public_key import group_key_id

    lines = (group_key_id(keyid[start:], 16) for start in (0, 16))
    return Text("\n".join(lines), no_wrap=True)


def _find_roles(keys: Sequence[PublicKey], repo: Path | None) -> dict[str, list[KeyRole]] | None:
    # A folder that only a variable or `hening.toml` names may not exist yet.
    from signer.signing import find_key_roles, load_trusted
    from signer.work_folder import WorkFolder

    if repo is None or not (is_given("repo") or WorkFolder(repo).exists()):
        return None
    trusted = load_trusted(WorkFolder(repo), None)
    return {key.name: find_key_roles(key.keyid, trusted) for key in keys}


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


@click.command(
    "import",
    epilog="Example: hening-signer keys import root-2.pub --keys keys --holder carol",
)
@click.argument("files", metavar="[FILE...]", type=EXISTING_FILE, nargs=-1)
@place_option("keys", "folder", type=FOLDER, help="The folder of key files.")
@click.option("--name", type=KEY_NAME, help="The key's name. Default: the file's, without ending.")
@click.option("--holder", type=HOLDER, default="", help="The person who holds it; never published.")
@click.option("--token", metavar="LABEL", help="Enrol a key that is on this PKCS #11 token.")
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
        enrolled = [enrol_token_key(store, name, token_key, passphrases, holder)]
    elif token is not None or module is not None or key_id is not None:
        raise click.UsageError("For a key on a token give --token, --module, --id and --name.")
    else:
        public_keys = _load_files(files, name, holder)
        enrolled = enrol_public_keys(store, public_keys)
        if not as_json:
            for key in public_keys:
                if key not in enrolled:
                    click.echo(f"{key.name} already exists.")
    if as_json:
        found = [{"holder": key.holder, "keyid": key.keyid, "name": key.name} for key in enrolled]
        print_json({"keys": found})
        return
    for key in enrolled:
        click.echo(
            f"Imported {key.name}, key id {group_key_id(key.keyid)}; compare it with the key id"
            " that its holder reads out."
        )


def _load_files(files: tuple[Path, ...], name: str | None, holder: str) -> list[PublicKey]:
    from signer.keys.public_key import MAX_FOREIGN_KEY, PublicKey, decode_any

    if not files:
        raise click.UsageError("There is nothing to import; give a FILE, or --token.")
    if name is not None and len(files) > 1:
        raise click.UsageError("--name is for one FILE; import the others in separate commands.")
    keys = []
    for path in files:
        key = decode_any(name or path.stem, read_limited(path, MAX_FOREIGN_KEY))
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


@click.group("keys", epilog="Example: hening-signer keys list --keys keys")
def keys_commands() -> None:
    """Make signing keys, exchange their public halves, list which key signs what."""


for _command in (import_keys, export_key, list_keys, show_key):
    keys_commands.add_command(_command)


@keys_commands.command(
    epilog="Example: hening-signer keys new --keys keys --holder bob root-1 armani-1",
)
@click.argument("names", metavar="NAME...", type=KEY_NAME, nargs=-1, required=True)
@place_option("keys", "folder", type=FOLDER, help="The folder of key files.")
@click.option(
    "--holder", type=HOLDER, default="", help="The person who holds them; never published."
)
@click.option("--token", metavar="LABEL", help="Make them on this PKCS #11 token.")
@click.option("--module", metavar="PATH", help="The PKCS #11 library of the token.")
@passphrase_option
@json_option
@click.pass_obj
def new(
    runtime: Runtime,
    names: tuple[str, ...],
    folder: Path,
    holder: str,
    token: str | None,
    module: str | None,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Make key pairs: NAME.pub, and an encrypted NAME.key or a NAME.token.

    A NAME is ROLE-N: root, targets, tables, content, policy or a codename, and a number. With
    --token the private half is made on the token and cannot leave it.
    """
    from signer.keys.enrolment import create_token_keys

    store = open_keystore(folder)
    passphrases = Passphrases(passphrase_fd, runtime.environment)
    if token is not None and module is not None:
        new_keys = create_token_keys(
            store, names, module, token, passphrases, runtime.entropy, holder
        )
    elif token is not None or module is not None:
        raise click.UsageError("--token and --module belong together; give both or neither.")
    else:
        new_keys = store.create_keys(names, passphrases.choose, runtime.entropy, holder)
    if as_json:
        print_json({"keys": [{"keyid": key.keyid, "name": key.name} for key in new_keys]})
        return
    for key in new_keys:
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
    runtime: Runtime,
    names: tuple[str, ...],
    folder: Path,
    passphrase_fd: int | None,
    new_passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Encrypt key files under new passphrases.

    Copies in backups keep the old passphrases: a thief of a copy and its passphrase can still sign.
    """
    old = Passphrases(passphrase_fd, runtime.environment)
    new = Passphrases(new_passphrase_fd, runtime.environment, NEW_VARIABLE)
    open_keystore(folder).change_passphrases(names, old, new.choose, runtime.entropy)
    if as_json:
        print_json({"keys": [{"name": name} for name in names]})
        return
    for name in names:
        click.echo(f"{name} has a new passphrase; copies in backups still open with the old one.")
