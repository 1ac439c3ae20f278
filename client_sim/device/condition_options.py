"""The options that say in which conditions a phone is; left out, those of this machine count."""

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Final

import click

from client_sim.clock import read_clock
from client_sim.device.conditions import Conditions
from client_sim.device.options import read_minute


@dataclass(frozen=True, slots=True)
class StatedConditions:
    """What the command line says; None where it says nothing."""

    battery: int
    is_charging: bool
    is_metered: bool
    free: int | None
    minute: int | None

    def complete(self, folder: Path) -> Conditions:
        """Fill in the room on the disk of `folder` and this machine's time of day."""
        return Conditions(
            battery_percent=self.battery,
            is_charging=self.is_charging,
            is_metered=self.is_metered,
            free_octets=shutil.disk_usage(folder).free if self.free is None else self.free,
            local_minute=_read_minute_of_day() if self.minute is None else self.minute,
        )


_OPTIONS: Final = (
    click.option(
        "--battery",
        default=100,
        show_default=True,
        type=click.IntRange(0, 100),
        metavar="PERCENT",
        help="What the battery holds.",
    ),
    click.option("--charging", is_flag=True, help="The phone is on its charger."),
    click.option("--metered", is_flag=True, help="The network costs money."),
    click.option(
        "--free",
        type=click.IntRange(min=0),
        metavar="OCTETS",
        help="The room on the phone's disk.  [default: what this machine has]",
    ),
    click.option(
        "--local-time",
        "minute",
        callback=read_minute,
        metavar="HH:MM",
        help="The time of day at the phone.  [default: that of this machine]",
    ),
)


def condition_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options and hand it what they say as `stated`."""

    @wraps(command)
    def call(
        *arguments: Any,
        battery: int,
        charging: bool,
        metered: bool,
        free: int | None,
        minute: int | None,
        **options: Any,
    ) -> object:
        stated = StatedConditions(battery, charging, metered, free, minute)
        return command(*arguments, stated=stated, **options)

    decorated: Callable[..., Any] = call
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _read_minute_of_day() -> int:
    local = dt.datetime.fromtimestamp(read_clock(), dt.UTC).astimezone()
    return local.hour * 60 + local.minute
