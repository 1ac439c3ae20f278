"""`content release`, `withdraw` and `schedule`: the next version of `tables` or `content`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from server.core.content.kinds import KINDS
from signer.ceremony.policy import expiry
from signer.cli.change import Destination, change_options, finish_change
from signer.cli.content_options import (
    KIND,
    PACK,
    end_option,
    hosts_option,
    rollout_option,
    start_option,
    with_dates,
)
from signer.cli.release_options import expires_option
from signer.errors import WorkFolderError, refusing

if TYPE_CHECKING:
    from tuf.api.metadata import Targets

    from signer.bundle_writer import Blob
    from signer.content.pack_folder import PackFolder


@click.command(
    epilog="Example: hening-signer content release packs/apn-2 packs/zones-5 --repo repo"
    " --propose tables.json"
)
@click.argument("folders", metavar="DIR...", type=PACK, nargs=-1, required=True)
@start_option
@end_option
@rollout_option
@hosts_option
@click.option(
    "--stays",
    "kept",
    type=PACK,
    multiple=True,
    help="A signed pack that stays: its links are checked again if a host is removed.",
)
@expires_option
@change_options
def release(
    folders: tuple[Path, ...],
    start: int | None,
    end: int | None,
    rollout: tuple[tuple[int, int], ...],
    hosts: tuple[str, ...],
    kept: tuple[Path, ...],
    expiry_days: int,
    destination: Destination,
) -> None:
    """Propose or sign the next version of `tables` and `content` with packs from their folders.

    --start, --end and --rollout override the folders' values. Parts and pictures that are published
    already are not sent again.
    """
    from signer.content.pack_folder import list_files, load_pack
    from signer.content.plan import check_links_that_stay, plan_packs

    loaded = [load_pack(folder) for folder in folders]
    packs = [replace(p, members=with_dates(p.members, start, end, rollout)) for p in loaded]
    files = [path for folder in folders for path in list_files(folder)]
    roles: dict[str, Targets] = {}
    packages: list[Blob] = []
    for role in sorted({pack.role for pack in packs}):
        current = destination.load_role(role)
        own = [pack for pack in packs if pack.role == role]
        _check(role, current, own, hosts)
        if role == "content":
            staying = [load_pack(folder) for folder in kept]
            check_links_that_stay(current, own, hosts or _hosts(current), staying)
        new_hosts = list(hosts) if hosts and role == "content" else None
        planned = plan_packs(current, own, new_hosts, expiry(destination.now, expiry_days))
        roles[role] = planned
        packages += new_files(current, planned, files)
    finish_change(destination, roles, packages)


@click.command(
    epilog="Example: hening-signer content withdraw notices --repo repo --keys keys --out incoming"
)
@click.argument("kind", type=KIND)
@click.option("--version", type=click.IntRange(min=1), help="The version. Default: the listed one.")
@expires_option
@change_options
def withdraw(kind: str, version: int | None, expiry_days: int, destination: Destination) -> None:
    """Withdraw a pack, permanently: phones go back to the one of its kind that they had before.

    --version may name an older version, which some phones may still use. A later version of the
    kind may follow.
    """
    from signer.content.plan import plan_withdrawal

    current = destination.load_role(KINDS[kind].role)
    planned = plan_withdrawal(current, kind, version, expiry(destination.now, expiry_days))
    finish_change(destination, {KINDS[kind].role: planned})


@click.command(
    epilog="Example: hening-signer content schedule notices --rollout 2026-12-01T06:00Z=100%"
    " --repo repo --keys keys --out incoming"
)
@click.argument("kind", type=KIND)
@rollout_option
@end_option
@click.option("--no-end", is_flag=True, help="The pack may be used without end.")
@expires_option
@change_options
def schedule(
    kind: str,
    rollout: tuple[tuple[int, int], ...],
    end: int | None,
    no_end: bool,
    expiry_days: int,
    destination: Destination,
) -> None:
    """Change the rollout and the end of a signed pack; its bytes stay the same."""
    from signer.content.plan import plan_pack_edit

    if no_end and end is not None:
        raise click.UsageError("--end and --no-end exclude each other.")
    changes: dict[str, Any] = {"rollout": [list(step) for step in rollout]} if rollout else {}
    if no_end or end is not None:
        changes["end"] = end
    if not changes:
        raise click.UsageError("Give --rollout, --end or --no-end.")
    role = KINDS[kind].role
    current = destination.load_role(role)
    planned = plan_pack_edit(current, kind, changes, expiry(destination.now, expiry_days))
    finish_change(destination, {role: planned})


def _hosts(current: Targets) -> tuple[str, ...]:
    from server.core.content.index import decode_index

    return decode_index("content", current).hosts


def _check(role: str, current: Targets, packs: Sequence[PackFolder], hosts: Sequence[str]) -> None:
    from server.core.content.index import decode_index
    from signer.content.validate import check_packs_to_sign

    with refusing(WorkFolderError):
        index = decode_index(role, current)
    wallpapers = [Path(path).stem for path in current.targets if path.endswith(".jpg")]
    published = index.packs.get("wallpapers")
    is_gone = published is not None and published.is_withdrawn
    check_packs_to_sign(packs, hosts or index.hosts, None if is_gone else wallpapers)


def new_files(current: Targets, planned: Targets, files: Sequence[Path]) -> list[Blob]:
    """Return the files that `planned` lists and `current` does not, by hash."""
    from signer.bundle_writer import Blob

    known = {target.hashes["sha256"] for target in current.targets.values()}
    required = {target.hashes["sha256"] for target in planned.targets.values()} - known
    packages = {}
    for path in files:
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 in required:
            packages[sha256] = Blob(path, len(data), sha256)
    return list(packages.values())
