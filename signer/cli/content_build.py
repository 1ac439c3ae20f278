"""`content build`, `validate` and `diff`: pack folders that are not signed yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from server.core.content.invisible import escape_invisible
from server.core.content.kinds import KINDS
from server.core.quantities import spell_size
from server.place_options import place_option
from server.tables import print_table
from signer.cli.content_options import (
    KIND,
    PACK,
    end_option,
    own_hosts_option,
    rollout_option,
    start_option,
    title_option,
    with_dates,
)
from signer.cli.content_review import SHOWN, difference_json, print_difference
from signer.cli.output import json_option, print_json
from signer.cli.parameters import FOLDER
from signer.cli.runtime import Runtime
from signer.content.sources.build_result import BuildResult
from signer.content.upstream import TITLES, Upstream, importing_extra, list_refused
from signer.errors import ContentError, WorkFolderError, refusing

if TYPE_CHECKING:
    from signer.content.pack_folder import PackFolder

SHOWN_LEFT_OUT = 10
"""Names that are shown for each reason why a builder left entries out."""


@click.command(
    epilog="Example: hening-signer content build apn --source serviceproviders.xml"
    " --source-version 20251101 --base packs/apn-1 --out packs/apn-2"
)
@click.argument("kind", type=KIND)
@click.option(
    "--source",
    type=click.Path(exists=True, path_type=Path),
    help="File or folder to build from. Default: the package that comes with the signer.",
)
@click.option("--source-version", default="", help="The version of the source.")
@click.option(
    "--source-name", default="", help="The source's name, if the source does not state it."
)
@click.option(
    "--source-licence",
    default="",
    help="The source's licence, an SPDX expression, if the source does not state it.",
)
@click.option(
    "--year", "years", type=click.IntRange(1970, 2200), multiple=True, help="May be repeated."
)
@click.option("--edited", type=PACK, help="A pack folder whose entries.json was edited by hand.")
@click.option("--base", type=PACK, help="The previous pack: its unchanged parts are kept.")
@click.option(
    "--accept-loss", is_flag=True, help="Allow losing more than a fifth of the entries of --base."
)
@click.option(
    "--version",
    type=click.IntRange(min=1),
    help="Default: one above that of --base, or without it above the signed one in --repo.",
)
@place_option("repo", type=FOLDER, required=False, help="The working folder.")
@title_option
@start_option
@end_option
@rollout_option
@own_hosts_option
@click.option("--out", type=FOLDER, required=True, help="The pack folder to make.")
@json_option
@click.pass_obj
def build(
    runtime: Runtime,
    kind: str,
    source: Path | None,
    source_version: str,
    source_name: str,
    source_licence: str,
    years: tuple[int, ...],
    edited: Path | None,
    base: Path | None,
    accept_loss: bool,
    version: int | None,
    repo: Path | None,
    title: dict[str, str],
    start: int | None,
    end: int | None,
    rollout: tuple[tuple[int, int], ...],
    hosts: tuple[str, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Build a pack folder from a source, or from entries that were edited by hand.

    The folder has `pack.json` and `entries.json` for people, and the parts that phones get.
    """
    from server.core.content.index import check_step
    from signer.content.pack_folder import load_pack, make_pack, write_pack
    from signer.content.validate import check_has_enough, check_packs_to_sign

    upstream = Upstream(source, source_version, source_name, source_licence, years)
    if edited is not None and upstream != Upstream():
        raise click.UsageError("--edited takes the entries from a folder: omit the source options.")
    if refused := list_refused(kind, upstream):
        without = "" if source is not None else " without --source"
        raise click.UsageError(f"The pack {kind} takes no {' and no '.join(refused)}{without}.")
    before = None if base is None else load_pack(base)
    if before is not None and before.kind != kind:
        raise ContentError(f"{base} is a pack of {before.kind}, not of {kind}.")
    now = int(runtime.now.timestamp())
    members, built = _read_edited(edited, kind) if edited else _read_source(kind, upstream, now)
    if before is not None:
        known = before.pack.version
        members["version"] = known + 1
        if edited is None:
            members["title"] = before.members["title"]
    elif edited is not None:
        known = members["version"]
    else:
        known = _find_signed(repo, kind)
        members["version"] = known + 1
    if version is not None:
        members["version"] = version
    with refusing(ContentError):
        check_step(kind, known, members["version"])
    if title:
        members["title"] = title
    members = with_dates(members, start, end, rollout)
    pack = make_pack(kind, members, built.entries, built.pictures, before)
    check_packs_to_sign([pack], hosts)
    check_has_enough(pack, None if accept_loss else before)
    if pack.pictures:
        with importing_extra():
            from signer.content.build import check_decodes
        check_decodes(pack)
    write_pack(out, pack)
    _report(pack, before, built, out, as_json=as_json)


@click.command(
    epilog="Example: hening-signer content validate --host hening.example packs/notices-1"
)
@click.argument("folders", metavar="DIR...", type=PACK, nargs=-1, required=True)
@own_hosts_option
@json_option
def validate(folders: tuple[Path, ...], hosts: tuple[str, ...], as_json: bool) -> None:
    """Check whether pack folders may be signed; print which entry breaks which rule."""
    from signer.content.pack_folder import load_pack
    from signer.content.validate import check_packs_to_sign

    packs = [load_pack(folder) for folder in folders]
    check_packs_to_sign(packs, hosts)
    if as_json:
        print_json({"packs": [_pack_json(pack) for pack in packs]})
        return
    for pack in packs:
        click.echo(f"{_describe(pack)} may be signed.")


@click.command(epilog="Example: hening-signer content diff packs/apn-1 packs/apn-2")
@click.argument("old", type=PACK)
@click.argument("new", type=PACK)
@click.option("--all", "is_whole", is_flag=True, help="Every entry, however many there are.")
@json_option
def diff(old: Path, new: Path, is_whole: bool, as_json: bool) -> None:
    """Print the differences of two pack folders of a kind, and the bytes that phones fetch.

    Each added, changed or removed entry is shown with its values before and after.
    """
    from signer.content.pack_folder import diff_packs, load_pack

    difference = diff_packs(load_pack(old), load_pack(new))
    if as_json:
        print_json(difference_json(difference))
    else:
        print_difference(difference, limit=None if is_whole else SHOWN)


def _find_signed(repo: Path | None, kind: str) -> int:
    """Return the version of a kind that the working folder lists; 0 without one."""
    from server.core.content.index import decode_index
    from signer.signing import load_delegated, load_trusted
    from signer.work_folder import WorkFolder

    if repo is None or not WorkFolder(repo).exists():
        return 0
    folder, role = WorkFolder(repo), KINDS[kind].role
    _, targets = load_delegated(folder, load_trusted(folder, None), role)
    with refusing(WorkFolderError):
        packs = decode_index(role, targets).packs
    return packs[kind].version if kind in packs else 0


def _report(
    pack: PackFolder,
    before: PackFolder | None,
    built: BuildResult,
    out: Path,
    *,
    as_json: bool,
) -> None:
    from signer.content.pack_folder import diff_packs

    if as_json:
        more: dict[str, Any] = (
            {} if built.completeness is None else {"missing": built.completeness.find_missing()}
        )
        more["left_out"] = built.left_out.to_json()
        print_json({**_pack_json(pack), **more, "notes": list(built.notes), "out": str(out)})
        return
    for line in built.left_out.to_lines(SHOWN_LEFT_OUT):
        click.echo(escape_invisible(line))
    for note in built.notes:
        click.echo(note)
    if built.completeness is not None:
        head, *rows = built.completeness.rows()
        print_table("Texts by language", head, rows)
    click.echo(f"Built {_describe(pack)} in {out}.")
    if before is not None:
        click.echo(f"Against version {before.pack.version}, {diff_packs(before, pack)}.")


def _read_source(kind: str, upstream: Upstream, now: int) -> tuple[dict[str, Any], BuildResult]:
    """Return the members of the index entry, and the contents of a pack."""
    with importing_extra():
        from signer.content.build import build_entries
    built = build_entries(kind, upstream)
    members = {
        "rollout": [[now, 1000]],
        "sources": built.sources,
        "start": now,
        "title": {"en": TITLES[kind]},
        "version": 1,
        "withdrawn": [],
    }
    return members, built


def _read_edited(folder: Path, kind: str) -> tuple[dict[str, Any], BuildResult]:
    """Return what `_read_source` does, from a pack folder; a note names its sources."""
    from signer.content.pack_folder import load_edited

    edited = load_edited(folder, kind)
    sources = ", ".join(f"{each.name} {each.version}" for each in edited.pack.sources)
    note = (
        f"pack.json names as sources {sources}: if your changes come from elsewhere, add their"
        " source to it."
    )
    built = BuildResult(
        edited.entries, edited.members["sources"], edited.pictures, (escape_invisible(note),)
    )
    return edited.members, built


def _describe(pack: PackFolder) -> str:
    size = spell_size(sum(map(len, pack.parts)))
    return f"{pack.kind} {pack.pack.version} ({len(pack.entries)} entries, {size})"


def _pack_json(pack: PackFolder) -> dict[str, Any]:
    return {
        "entries": len(pack.entries),
        "kind": pack.kind,
        "octets": sum(map(len, pack.parts)),
        "version": pack.pack.version,
    }
