"""`hening-device content`: lists and rolls back the packs on the phone; look-ups in them."""

import dataclasses
from pathlib import Path
from typing import Any, Final

import click

from client_sim.content.kinds import KINDS, Kind
from client_sim.content.options import LOCALE_OPTION, open_packs, show_table
from client_sim.content.plan import Record, plan_parts, plan_rollback
from client_sim.content.table_commands import (
    apn_command,
    ca_group,
    emergency_command,
    zone_command,
)
from client_sim.content.text import pick_text
from client_sim.content.text_commands import (
    features_command,
    greetings_command,
    holidays_command,
    notices_command,
    themes_command,
    wallpapers_group,
)
from client_sim.device.options import AS_JSON, PHONE, format_date, print_json

_COLUMNS: Final = ("kind", "role", "used", "before", "next", "what it is", "from")


@click.group("content")
def content() -> None:
    """Use the public tables and texts that every phone has fetched; nothing is sent."""


@content.command(
    "list", epilog="\b\nExample:\n  hening-device content list --phone var/phone --json\n"
)
@PHONE
@LOCALE_OPTION
@AS_JSON
def list_command(folder: Path, locale: str, as_json: bool) -> None:
    """List a phone's packs: the versions in use, before and next, and their sources."""
    packs = open_packs(folder)
    with packs.read() as store:
        records = {kind: store.load(kind) for kind in KINDS.values()}
    for sentence in store.discarded.values():
        click.echo(sentence, err=True)
    if as_json:
        print_json({kind.name: _describe(kind, record) for kind, record in records.items()})
    else:
        show_table(
            _COLUMNS,
            [_make_row(kind, record, packs.now, locale) for kind, record in records.items()],
        )


@content.command(
    "rollback",
    epilog="\b\nExample:\n  hening-device content rollback --phone var/phone greetings\n",
)
@PHONE
@click.argument("kind", type=click.Choice(list(KINDS)))
@AS_JSON
def rollback_command(folder: Path, kind: str, as_json: bool) -> None:
    """Go back to the previous version of a pack, if the one in use is bad."""
    packs = open_packs(folder)
    with packs.change() as store:
        record = plan_rollback(store.load(KINDS[kind]), packs.now)
        store.save(KINDS[kind].role, {KINDS[kind]: record})
        store.sweep()
    if as_json:
        print_json(_describe(KINDS[kind], record))
    elif record.used is not None:
        click.echo(f"Version {record.used.version} of {kind} is in use again.")


for _command in (
    greetings_command,
    apn_command,
    emergency_command,
    zone_command,
    ca_group,
    holidays_command,
    notices_command,
    features_command,
    wallpapers_group,
    themes_command,
):
    content.add_command(_command)


def _describe(kind: Kind, record: Record) -> dict[str, Any]:
    packs = {name: getattr(record, name) for name in ("listed", "used", "before")}
    return {
        "role": kind.role,
        "parts_missing": len(plan_parts(record)),
        "verdict": record.verdict,
        **{
            name: None if pack is None else dataclasses.asdict(pack) for name, pack in packs.items()
        },
    }


def _make_row(kind: Kind, record: Record, now: float, locale: str) -> tuple[str, ...]:
    pack = record.used or record.listed
    title = "" if pack is None else pick_text(pack.title, locale)
    sources = () if pack is None else pack.sources
    origins = "; ".join(f"{one.name} {one.version} ({one.licence})" for one in sources)
    versions = ["-" if one is None else str(one.version) for one in (record.used, record.before)]
    return (kind.name, kind.role, *versions, _describe_next(record, now), title, origins)


def _describe_next(record: Record, now: float) -> str:
    listed, used = record.listed, record.used
    if listed is None or (used is not None and used.version == listed.version):
        return "-"
    if listed.is_withdrawn:
        why = "withdrawn"
    elif missing := len(plan_parts(record)):
        why = f"lacks {missing} of {len(listed.parts)} parts"
    elif record.verdict != "ready":
        why = "refused" if record.verdict == "bad" else record.verdict
    elif now < listed.start:
        why = f"begins {format_date(listed.start)}"
    elif listed.end is not None and listed.end <= now:
        why = f"ended {format_date(listed.end)}"
    else:
        why = "ready, waits for its share"
    return f"{listed.version}: {why}"
