"""`hening-device content greetings`, `holidays`, `notices`, `features`, `themes`, `wallpapers`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click

from client_sim.content.countries import list_holidays
from client_sim.content.greetings import list_greetings
from client_sim.content.kinds import KINDS
from client_sim.content.notices import list_notices
from client_sim.content.options import COUNTRY, DATE, LOCALE_OPTION, ZONE, open_packs, show_table
from client_sim.content.plan import plan_picture
from client_sim.content.text import pick_text
from client_sim.content.themes import fetch_picture
from client_sim.device.options import AS_JSON, PHONE, RESOLVE, print_json


@click.command(
    "greetings",
    epilog="\b\nExample:\n  hening-device content greetings --phone var/phone --locale id-ID\n",
)
@PHONE
@LOCALE_OPTION
@DATE
@ZONE
@AS_JSON
def greetings_command(
    folder: Path, locale: str, moment: dt.datetime | None, zone: str | None, as_json: bool
) -> None:
    """Show the greetings that fit a day in the owner's language and country."""
    packs = open_packs(folder)
    day = packs.day(zone) if moment is None else moment.date()
    greetings = list_greetings(packs.entries("greetings"), locale, day)
    if as_json:
        print_json([asdict(greeting) for greeting in greetings])
        return
    for greeting in greetings:
        when = "today" if greeting.is_today else "any day"
        click.echo(f"{greeting.name} ({when}, {greeting.locale}): {greeting.text}")
    if not greetings:
        click.echo("No greeting fits this day.")


@click.command(
    "holidays",
    epilog="\b\nExample:\n  hening-device content holidays --phone var/phone ID 2026\n",
)
@PHONE
@COUNTRY
@click.argument("year", type=click.IntRange(1, 9999))
@LOCALE_OPTION
@AS_JSON
def holidays_command(folder: Path, country: str, year: int, locale: str, as_json: bool) -> None:
    """Show the public holidays of a country in a year."""
    holidays = list_holidays(open_packs(folder).entries("holidays"), country, year, locale)
    if as_json:
        print_json([asdict(holiday) for holiday in holidays])
    else:
        show_table(("day", "holiday"), [(holiday.day, holiday.name) for holiday in holidays])


def _make_notices_command(kind: str, help_text: str) -> click.Command:
    @click.command(
        kind,
        help=help_text,
        epilog=f"\b\nExample:\n  hening-device content {kind} --phone var/phone --json\n",
    )
    @PHONE
    @LOCALE_OPTION
    @DATE
    @ZONE
    @AS_JSON
    def command(
        folder: Path, locale: str, moment: dt.datetime | None, zone: str | None, as_json: bool
    ) -> None:
        packs = open_packs(folder)
        day = packs.day(zone) if moment is None else moment.date()
        codename = packs.phone.image.facts.codename
        notices = list_notices(packs.entries(kind), locale, day, codename)
        if as_json:
            print_json([asdict(notice) for notice in notices])
            return
        for notice in notices:
            click.echo(f"[{notice.severity}] {notice.published} {notice.title}")
            for line in notice.body.split("\n"):
                click.echo(f"    {line}")
            if notice.link is not None:
                click.echo(f"    {notice.link}")
        if not notices:
            click.echo("There is nothing to show for this day.")

    return command


notices_command = _make_notices_command(
    "notices", "Show the notices to owners of this model, the most severe first."
)
features_command = _make_notices_command("features", "Show the new features of the ROM.")


@click.command("themes", epilog="\b\nExample:\n  hening-device content themes --phone var/phone\n")
@PHONE
@LOCALE_OPTION
@AS_JSON
def themes_command(folder: Path, locale: str, as_json: bool) -> None:
    """List the themes: their colours, author and licence."""
    themes = open_packs(folder).entries("themes")
    if as_json:
        print_json(themes)
        return
    rows = [
        (
            name,
            pick_text(theme["title"], locale),
            *(" ".join(theme[side].values()) for side in ("light", "dark")),
            theme.get("wallpaper", ""),
            f"{theme['author']} ({theme['licence']})",
        )
        for name, theme in sorted(themes.items())
    ]
    show_table(("name", "title", "light", "dark", "wallpaper", "by"), rows)


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("wallpapers")
def wallpapers_group() -> None:
    """List the wallpapers, or fetch one."""


@wallpapers_group.command(
    "list", epilog="\b\nExample:\n  hening-device content wallpapers list --phone var/phone\n"
)
@PHONE
@LOCALE_OPTION
@AS_JSON
def list_command(folder: Path, locale: str, as_json: bool) -> None:
    """List the wallpapers; the list is on the phone, so nothing is sent."""
    wallpapers = open_packs(folder).entries("wallpapers")
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
    show_table(("name", "title", "size", "bytes", "by"), rows)


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
    """Fetch a wallpaper; the server and the network can see which one."""
    packs = open_packs(folder, resolve)
    with packs.read() as store:
        entries = store.load_used(KINDS["wallpapers"])[1]
        file = plan_picture(store.load(KINDS["wallpapers"]), name)
    data = fetch_picture(packs.phone.open_world(), file, entries[name], name)
    out.write_bytes(data)
    if as_json:
        print_json({"name": name, "file": str(out), **entries[name]})
    else:
        width, height = (entries[name][side] for side in ("width", "height"))
        click.echo(f"{out} is {name}, {width}x{height}, {len(data)} bytes.")
