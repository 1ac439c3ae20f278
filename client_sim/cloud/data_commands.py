"""`hening-device cloud`: commands to turn types on and off, synchronise, and manage records."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from client_sim.cloud import TYPES
from client_sim.cloud.options import Result, command, is_quiet
from client_sim.device.options import Screen

TYPE: Final = click.argument("kind", metavar="TYPE", type=click.Choice(TYPES))

if TYPE_CHECKING:
    from client_sim.cloud.account import Cloud


@command("on", "contact", sends=False)
@TYPE
def on_command(cloud: "Cloud", kind: str) -> Result:
    """Turn a type on: contact, note, message or photo. The next sync sends it, encrypted."""
    cloud.switch(kind, is_on=True)
    return Result({"on": list(cloud.enabled_types)}, f"{kind}s are on.")


@command("off", "contact", sends=False)
@TYPE
def off_command(cloud: "Cloud", kind: str) -> Result:
    """Turn a type off: from now on nothing of it is sent, not even by a running sync."""
    cloud.switch(kind, is_on=False)
    message = f"{kind}s are off. Those on the server stay there until you erase the account."
    return Result({"on": list(cloud.enabled_types)}, message)


@command("sync")
@click.option("--if-due", is_flag=True, help="Do nothing before the scheduled time.")
@click.option(
    "--upload-missing", is_flag=True, help="Upload records that the server lost in a restore."
)
def sync_command(cloud: "Cloud", if_due: bool, upload_missing: bool) -> Result:
    """Synchronise now all types that are on."""
    from client_sim.cloud.pull import Report
    from client_sim.cloud.sync import find_next, synchronise

    due = find_next(cloud)
    if if_due and (due is None or cloud.now < due):
        return Result({"due": due}, "It is not time yet.")
    with Screen(quiet=is_quiet()) as screen:
        report = Report(say=screen.say, progress=screen.progress)
        synchronise(cloud, report, upload_missing=upload_missing)
    value = {
        name: getattr(report, name)
        for name in ("sent", "received", "conflicts", "warnings", "failures")
    }
    _warn(*report.conflicts, *report.warnings, *report.failures)
    message = "; ".join(
        f"{kind}s: {report.sent.get(kind, 0)} sent, {report.received.get(kind, 0)} received"
        for kind in cloud.enabled_types
    )
    sent = "encrypted, padded records of these types; the server sees how many and when"
    return Result(value, message, sent, status=1 if report.failures else 0)


@command("list", "note", sends=False)
@TYPE
def list_command(cloud: "Cloud", kind: str) -> Result:
    """List the records of a type on the phone."""
    from client_sim.cloud.kinds import KINDS

    rows = cloud.store.live(kind)
    found: list[dict[str, Any]] = [
        {"uid": row.uid, "text": (row.body or b"").decode("utf-8", "replace")} for row in rows
    ]
    lines = [
        f"{row.uid}  {KINDS[kind].describe(row.body or b'')}{'  not sent' if row.changed else ''}"
        for row in rows
    ]
    return Result(found, "\n".join(lines) or f"There are no {kind}s.")


@command("note", "--title Groceries --text 'rice, tea'", sends=False)
@click.option("--title", required=True, help="The note's title.")
@click.option("--text", required=True, help="Its Markdown text.")
@click.option("--uid", help="Change this note instead of adding one.")
def note_command(cloud: "Cloud", title: str, text: str, uid: str | None) -> Result:
    """Add or change a note on the phone."""
    from client_sim.cloud.notes import make_note
    from client_sim.cloud.owner_data import add_note, change

    if uid is None:
        add_note(cloud, title, text)
    else:
        change(cloud, uid, make_note(title, text))
    return Result({}, "The note is on the phone.")


@command("delete", "UID", sends=False, takes_uid=True)
@click.argument("uid")
def delete_command(cloud: "Cloud", uid: str) -> Result:
    """Delete a record; the next sync deletes it on your other phones."""
    from client_sim.cloud.owner_data import change

    change(cloud, uid, None)
    return Result({}, "The record is deleted on this phone.")


@command("import", "backup/", sends=False)
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--planted", is_flag=True, help="Import the records of the phone's planted owner.")
def import_command(cloud: "Cloud", path: Path | None, planted: bool) -> Result:
    """Import a .vcf, .md or .xml file, a photo, or a folder of them."""
    from client_sim.cloud.owner_data import import_file, plant
    from client_sim.owner_events.owner_simulator import PersonalStore

    if planted == (path is not None):
        raise click.UsageError("Name a file or a folder, or use --planted.")
    failures: list[str] = []
    if path is not None:
        added, failures = import_file(cloud, path)
    else:
        persona = PersonalStore(cloud.phone).load()
        if persona is None:
            raise click.ClickException("This phone has no planted owner.")
        added = plant(cloud, persona)
    _warn(*failures)
    message = ", ".join(f"{count} {kind}(s)" for kind, count in added.items() if count)
    value = {"added": added, "failures": failures}
    status = 1 if failures else 0
    return Result(value, f"Added to the phone: {message or 'nothing'}.", status=status)


@command("conflicts", sends=False)
@click.option("--forget", is_flag=True, help="Remove the listed conflicts.")
def conflicts_command(cloud: "Cloud", forget: bool) -> Result:
    """List conflicts between two phones, each with the version that was not kept."""
    found = [
        {
            "uid": each.uid,
            "type": each.type,
            "at": each.at,
            "sentence": each.sentence,
            "version": (each.body or b"").decode("utf-8", "replace"),
        }
        for each in cloud.store.conflicts()
    ]
    if forget:
        cloud.store.forget_conflicts()
    lines = [f"{each['sentence']}\n{each['version']}".rstrip() for each in found]
    return Result(found, "\n".join(lines) or "There are no conflicts.")


@command("export", "--out mine.zip", sends=False)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The ZIP to write.",
)
def export_command(cloud: "Cloud", out: Path) -> Result:
    """Export all records to one ZIP that other programs can read."""
    from client_sim.cloud.leave import export

    counts = export(cloud, out)
    message = ", ".join(f"{count} {kind}(s)" for kind, count in counts.items())
    return Result(counts, f"{out} has {message or 'nothing'}; nothing in it is encrypted.")


def _warn(*sentences: str) -> None:
    for sentence in sentences:
        click.echo(sentence, err=True)


COMMANDS: Final = (
    *(on_command, off_command, sync_command, list_command, note_command, delete_command),
    *(import_command, conflicts_command, export_command),
)
