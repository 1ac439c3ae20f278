"""`hening-device live`: simulates events of a phone and its owner; they do not affect polling."""

from pathlib import Path
from typing import Final

import click

from client_sim.clock import read_clock, read_entropy
from client_sim.device.options import AS_JSON, PHONE, format_date, print_json
from client_sim.device.records import load_due
from client_sim.owner_events.events import Kind, OwnerError
from client_sim.persona import PersonaError, make_persona
from client_sim.tape import Tape

_KINDS: Final = [kind.value for kind in Kind]
_GENTLE: Final = tuple(kind for kind in Kind if kind is not Kind.FACTORY_RESET)


@click.command(
    "live",
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device live --phone var/phone sim-inserted sms-received travelled reboot\n"
    ),
)
@PHONE
@click.argument("kinds", nargs=-1, metavar="EVENT...", type=click.Choice(_KINDS))
@click.option(
    "--random",
    "count",
    default=0,
    show_default=False,
    type=click.IntRange(0, 10_000),
    metavar="N",
    help="Add N random events of any kind except factory-reset.",
)
@click.option("--seed", type=int, help="The seed of all random values, to repeat a run.")
@click.option(
    "--owner", type=int, metavar="SEED", help="The owner's seed, for a phone without an owner."
)
@AS_JSON
def live_command(
    folder: Path,
    kinds: tuple[str, ...],
    count: int,
    seed: int | None,
    owner: int | None,
    as_json: bool,
) -> None:
    """Simulate events of a phone and its owner: a SIM, messages, calls, a restart, a reset.

    The owner's data grows, apps are notified, and nothing is sent. Events: sim-inserted,
    wifi-joined, location-allowed, contact-added, sms-sent, sms-received, mms-sent, mms-received,
    call-placed, call-received, account-login, account-logout, app-installed, photo-taken,
    travelled, reboot, factory-reset.
    """
    from client_sim.device.phone import Phone
    from client_sim.owner_events.owner_simulator import OwnerSimulator

    if not kinds and not count:
        raise click.UsageError("Name an event, or say how many with --random.")
    tape = Tape(read_entropy(16) if seed is None else seed)
    phone = Phone(folder)
    try:
        simulator = OwnerSimulator(
            folder, phone, tape, None if owner is None else make_persona(owner)
        )
        events = [
            simulator.apply_event(kind, int(read_clock()))
            for kind in (*map(Kind, kinds), *(tape.pick(_GENTLE) for _ in range(count)))
        ]
    except (OwnerError, PersonaError) as error:
        raise click.ClickException(str(error)) from error
    due = load_due(phone.state)
    if as_json:
        shown = [{"name": event.name, "details": dict(event.details)} for event in events]
        print_json({"events": shown, "next_poll": due})
        return
    for event in events:
        details = ", ".join(f"{name} {value}" for name, value in event.details)
        click.echo(f"{event.name}: {details}" if details else event.name)
    when = "is not drawn yet" if due is None else f"is due at {format_date(due)}"
    click.echo(f"Nothing was sent. The next poll {when}.")
