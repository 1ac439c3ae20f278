"""`cloud policy`: sign the policy of a cloud region, and show it in plain words."""

import hashlib
from pathlib import Path
from typing import Any

import click
import msgspec

from hening.times import UTC_TIMES
from server.core.cloud_policy import Policy
from server.core.note import MAX_NOTE, decode_verifier_key
from server.place_options import place_option
from signer.cli.output import json_option, print_json
from signer.cli.parameters import (
    EXISTING_FILE,
    FOLDER,
    KEY_NAME,
    CheckedText,
    TextAssignment,
    collected,
    read_limited,
)
from signer.cli.passphrases import Passphrases, passphrase_option
from signer.cli.runtime import Runtime, open_keystore
from signer.cloud_policy import (
    MAX_SOURCE,
    MAX_TEXT,
    describe_policy,
    find_policy_key,
    make_policy,
    open_policy,
    sign_policy,
)
from signer.durable import write_new


@click.group("cloud", epilog="Example: hening-signer cloud policy show id-1.policy")
def cloud_commands() -> None:
    """Sign the policy of a region of the cloud."""


@cloud_commands.group("policy", epilog="Example: hening-signer cloud policy show id-1.policy")
def policy_commands() -> None:
    """Sign the legal requirements of one region, and print them in plain words."""


@policy_commands.command(
    epilog="Example: hening-signer cloud policy sign id.toml --key policy-1 --keys keys"
    " --text en=id.en.md --out id-1.policy"
)
@click.argument("source", type=EXISTING_FILE, metavar="TOML")
@click.option("--key", "name", type=KEY_NAME, required=True, help="The key that signs.")
@place_option("keys", "folder", type=FOLDER, help="The folder of key files.")
@click.option(
    "--text",
    "texts",
    type=TextAssignment(),
    multiple=True,
    callback=collected,
    required=True,
    metavar="LOCALE=FILE",
    help="The text that owners are shown before they agree. May be repeated.",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to make."
)
@passphrase_option
@json_option
@UTC_TIMES
@click.pass_obj
def sign(
    runtime: Runtime,
    source: Path,
    name: str,
    folder: Path,
    texts: dict[str, str],
    out: Path,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Check a policy, print it in plain words, and sign it.

    The signed policy has only the hashes of the texts; give the texts themselves to the server.
    """
    given = {locale: read_limited(Path(path), MAX_TEXT) for locale, path in texts.items()}
    policy = make_policy(read_limited(source, MAX_SOURCE), given)
    store = open_keystore(folder)
    public = store.load_public_key(name)
    key = find_policy_key(public, policy.region)
    if not as_json:
        _print_words(policy)
    signer = store.load_signer(public, Passphrases(passphrase_fd, runtime.environment))
    note = sign_policy(policy, key, lambda text: bytes.fromhex(signer.sign(text).signature))
    write_new(out, note)
    if as_json:
        print_json(_describe(policy, note) | {"policy_key": str(key)})
        return
    click.echo(f"\n{out} is signed by {name}. Its policy key, for `cloud init` and the ROM:\n")
    click.echo(f"  {key}")


@policy_commands.command(epilog="Example: hening-signer cloud policy show id-1.policy")
@click.argument("file", type=EXISTING_FILE, metavar="POLICY")
@click.option(
    "--policy-key",
    "key",
    type=CheckedText("KEY", decode_verifier_key),
    help="Also check the signature with this key.",
)
@json_option
@UTC_TIMES
def show(file: Path, key: str | None, as_json: bool) -> None:
    """Print a signed policy in plain words."""
    note = read_limited(file, MAX_NOTE)
    policy = open_policy(note, key)
    if as_json:
        print_json(_describe(policy, note))
        return
    _print_words(policy)
    if key is None:
        click.echo("\nNo --policy-key was given, so the signature is not checked.")


def _print_words(policy: Policy) -> None:
    # Imported here, because it imports rich.
    from server.tables import print_table

    print_table(f"Policy of {policy.region}", ("what", "it says"), describe_policy(policy))


def _describe(policy: Policy, note: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(note.rpartition(b"\n\n")[0] + b"\n").hexdigest()
    return {"policy": msgspec.to_builtins(policy), "sha256": digest}
