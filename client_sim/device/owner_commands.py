"""`hening-device show`, `settings` and `reset`: the owner's look-ups and settings."""

from dataclasses import asdict, replace
from pathlib import Path

import click

from client_sim.device.options import AS_JSON, PHONE, print_json, read_quiet
from client_sim.device.reset import reset_phone
from client_sim.device.update_settings import load_settings, store_settings


@click.command("show", epilog="\b\nExample:\n  hening-device show --phone var/phone --json\n")
@PHONE
@AS_JSON
def show_command(folder: Path, as_json: bool) -> None:
    """Show a phone's image, build and state; sends nothing."""
    from client_sim.device.phone import Phone
    from client_sim.device.summary import describe_summary, summarise

    phone = Phone(folder)
    if as_json:
        print_json(summarise(phone))
        return
    for line in describe_summary(phone):
        click.echo(line)


@click.command(
    "settings",
    epilog=(
        "\b\nExample:\n  hening-device settings --phone var/phone --ask --quiet-hours 22:00-07:00\n"
    ),
)
@PHONE
@click.option("--ask/--automatic", "asks", default=None, help="Ask the owner before installing.")
@click.option(
    "--metered/--no-metered", "metered", default=None, help="Download over metered networks."
)
@click.option(
    "--quiet-hours",
    "quiet",
    callback=read_quiet,
    metavar="FROM-UNTIL",
    help="Install nothing in these hours of the day, such as 22:00-07:00.",
)
@click.option("--no-quiet-hours", is_flag=True, help="Install at any time of the day.")
@AS_JSON
def settings_command(
    folder: Path,
    asks: bool | None,
    metered: bool | None,
    quiet: tuple[int, int] | None,
    no_quiet_hours: bool,
    as_json: bool,
) -> None:
    """Set when updates may install themselves; polling does not depend on any of it."""
    from client_sim.device.phone import Phone

    if quiet is not None and no_quiet_hours:
        raise click.UsageError("--quiet-hours and --no-quiet-hours exclude each other.")
    phone = Phone(folder)
    settings = load_settings(phone.state)
    if asks is not None:
        settings = replace(settings, asks=asks)
    if metered is not None:
        settings = replace(settings, takes_metered=metered)
    if quiet is not None or no_quiet_hours:
        settings = replace(settings, quiet=quiet)
    store_settings(phone.state, settings)
    if as_json:
        print_json(asdict(settings))
    else:
        click.echo("The owner's settings are stored; hening-device show tells them.")


@click.command("reset", epilog="\b\nExample:\n  hening-device reset --phone var/phone --yes\n")
@PHONE
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@AS_JSON
def reset_command(folder: Path, is_sure: bool, as_json: bool) -> None:
    """Reset a phone to the state in which it left the factory; the build that runs stays."""
    from client_sim.device.phone import Phone

    phone = Phone(folder)
    if not is_sure:
        click.confirm(
            f"Everything that {folder} remembers, its owner's data included, is removed. Go on?",
            abort=True,
            err=True,
        )
    reset_phone(folder)
    build = phone.running_build
    if as_json:
        print_json({"phone": str(folder), "running": asdict(build)})
    else:
        click.echo(f"{folder} remembers nothing and runs build {build.counter}.")
