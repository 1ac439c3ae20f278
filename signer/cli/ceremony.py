"""`ceremony`: commands that make a repository and change the keys of its roles."""

from pathlib import Path

import click

from server.place_options import is_given, place_option
from server.tables import print_table
from signer.ceremony.policy import Policy
from signer.cli.ceremony_changes import (
    expires_option,
    expiry,
    holders,
    model,
    online,
    renew,
    thresholds_option,
)
from signer.cli.ceremony_root import lifetimes, reset
from signer.cli.change import Destination, finish_change, out_option, propose_option
from signer.cli.output import json_option, print_json
from signer.cli.parameters import (
    CODENAME,
    EXISTING_FILE,
    FOLDER,
    read_limited,
)
from signer.cli.passphrases import Passphrases, passphrase_option
from signer.cli.proposal_sign import review, sign
from signer.cli.proposal_submit import accept, resubmit, submit
from signer.cli.runtime import Runtime, open_keystore
from signer.errors import CeremonyError


@click.group(
    "ceremony",
    epilog="Example: hening-signer ceremony init --repo repo --keys keys"
    " --online public.json --model armani --out incoming",
)
def ceremony_commands() -> None:
    """Decide which keys sign each role and how many must, and sign the change, alone or together.

    Every command that changes something either signs directly with the keys of this machine (--keys
    and --out), or writes a proposal (--propose). Each holder then runs `review` and `sign` with the
    proposal, and the proposer runs `accept` and `submit`.
    """


for _command in (
    *(renew, holders, model, online, lifetimes, reset, expiry),
    *(review, sign, accept, submit, resubmit),
):
    ceremony_commands.add_command(_command)


@ceremony_commands.command(
    epilog="Example: hening-signer ceremony init --repo repo --keys keys --online public.json"
    " --model armani --model dior --threshold armani=1 --expires root=365 --out incoming"
)
@place_option("repo", type=FOLDER, help="The working folder to make.")
@place_option("keys", "folder", type=FOLDER, help="The folder of key files.")
@click.option(
    "--online", type=EXISTING_FILE, required=True, help="public.json of `hening-server init`."
)
@click.option(
    "--model",
    "models",
    type=CODENAME,
    multiple=True,
    required=True,
    metavar="CODENAME",
    help="May be repeated.",
)
@thresholds_option("Signatures that a role needs. Default: root 2, targets 2, tables 2, others 1.")
@expires_option
@out_option
@propose_option
@passphrase_option
@json_option
@click.pass_obj
def init(
    runtime: Runtime,
    repo: Path,
    folder: Path,
    online: Path,
    models: tuple[str, ...],
    thresholds: dict[str, int],
    expiry_days: dict[str, int],
    out: Path | None,
    propose: Path | None,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Sign root, targets, tables, content and one empty role for each model.

    All keys ROLE-N in the key folder are enrolled. With --out they sign directly; after an
    interruption, run the same command again. With --propose each holder signs on their own machine,
    and the key folder needs only the public halves.
    """
    from signer.ceremony.initial import group_keys, init_repository
    from signer.ceremony.plan import MAX_ONLINE_KEYS, decode_online_keys, plan_ceremony
    from signer.proposal.review import ONE_SIGNATURE_OF_TABLES
    from signer.work_folder import WorkFolder

    policy = Policy(models, thresholds, expiry_days)
    online_keys = decode_online_keys(read_limited(online, MAX_ONLINE_KEYS))
    if propose is not None and not is_given("out"):
        out = None
    if (propose is None) == (out is None):
        raise click.UsageError("Give --propose FILE, for several people to sign, or --out DIR.")
    if out is None:
        if WorkFolder(repo).exists():
            raise CeremonyError(
                f"{repo} holds a repository already; change it with `ceremony holders` and"
                " `ceremony model`, or choose a new folder."
            )
        destination = Destination(runtime, repo, propose, "", folder, None, passphrase_fd, as_json)
        keys = group_keys(destination.load_public_keys())
        planned = plan_ceremony(policy, keys, online_keys, runtime.now)
        finish_change(destination, planned)
        return
    repository = init_repository(
        WorkFolder(repo),
        open_keystore(folder),
        Passphrases(passphrase_fd, runtime.environment),
        online_keys,
        policy,
        runtime.now,
        out,
    )
    warnings = [
        ONE_SIGNATURE_OF_TABLES
        for role in repository.roles
        if role.name == "tables" and role.threshold < 2
    ]
    if as_json:
        roles = [
            {
                "expires": f"{role.expires:%Y-%m-%dT%H:%M:%SZ}",
                "keys": list(role.keys),
                "name": role.name,
                "threshold": role.threshold,
                "version": 1,
            }
            for role in repository.roles
        ]
        print_json(
            {
                "bundle": repository.bundle,
                "repeated": repository.repeated,
                "roles": roles,
                "warnings": warnings,
            }
        )
        return
    print_table(
        f"Repository {repo}{', made before' if repository.repeated else ''}",
        ("role", "signatures", "keys", "expires"),
        [
            (
                role.name,
                f"{role.threshold} of {len(role.keys)}",
                " ".join(role.keys),
                f"{role.expires:%Y-%m-%d}",
            )
            for role in repository.roles
        ],
    )
    for warning in warnings:
        click.echo(f"Warning: {warning}")
    verb = "Submitted again" if repository.repeated else "Submitted"
    click.echo(f"{verb} bundle {repository.bundle} to {out}.")
