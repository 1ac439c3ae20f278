"""`hening-device content wallpapers`: a list that is held, and pictures by the owner's choice."""

from collections.abc import Mapping
from pathlib import Path

import click

from client_sim.content.kinds import KINDS
from client_sim.content.locale import pick_text
from client_sim.content.options import LOCALE_OPTION, show_table
from client_sim.content.pictures import fetch_picture
from client_sim.content.plan import plan_picture
from client_sim.device.options import AS_JSON, PHONE, RESOLVE, print_json

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("wallpapers")
def wallpapers_group() -> None:
    """Look at the list of wallpapers, and fetch one."""


@wallpapers_group.command(
    "list", epilog="\b\nExample:\n  hening-device content wallpapers list --phone var/phone\n"
)
@PHONE
@LOCALE_OPTION
@AS_JSON
def list_command(folder: Path, locale: str, as_json: bool) -> None:
    """List the wallpapers; the list is on the phone, so nothing is sent."""
    from client_sim.content.shelf import Shelf

    wallpapers = Shelf(folder).entries("wallpapers")
    if as_json:
        print_json(wallpapers)
        return
    rows = [
        (
            name,
            pick_text(entry["title"], locale),
            f"{entry['width']}x{entry['height']}",
            str(entry["length"]),
            f"{entry['author']} ({entry['licence']})",
        )
        for name, entry in sorted(wallpapers.items())
    ]
    show_table(("name", "title", "size", "octets", "by"), rows)


@wallpapers_group.command(
    "get",
    epilog=(
        "\b\nExample:\n"
        "  hening-device content wallpapers get --phone var/phone dawn --out dawn.jpg\n"
    ),
)
@PHONE
@RESOLVE
@click.argument("name")
@click.option("--out", required=True, type=_FILE, help="Where to write the picture.")
@AS_JSON
def get_command(
    folder: Path, resolve: Mapping[str, list[str]], name: str, out: Path, as_json: bool
) -> None:
    """Fetch a wallpaper; whoever serves or carries it sees which one."""
    from client_sim.content.shelf import Shelf

    shelf = Shelf(folder, resolver=resolve)
    with shelf.read() as store:
        entries = store.load_used(KINDS["wallpapers"])[1]
        file = plan_picture(store.load(KINDS["wallpapers"]), name)
    data = fetch_picture(shelf.phone.open_world(), file, entries[name], name)
    out.write_bytes(data)
    if as_json:
        print_json({"name": name, "file": str(out), **entries[name]})
    else:
        width, height = (entries[name][side] for side in ("width", "height"))
        click.echo(f"{out} is {name}, {width}x{height}, {len(data)} octets.")
