"""Cases of crossed conditions that have certain levels: the others show nothing of some clients."""

from collections.abc import Mapping
from dataclasses import replace

from client_sim.lab.programme.batteries.crossed import list_rows
from client_sim.lab.programme.case import Battery


def with_levels(battery: Battery, seed: int, levels: Mapping[str, str]) -> Battery:
    """Keep the cases whose conditions include these levels."""
    rows = list_rows(seed, battery.size)
    numbers = [number for number, row in enumerate(rows) if levels.items() <= row.items()]
    return replace(battery, size=len(numbers), make=lambda place: battery.make(numbers[place]))
