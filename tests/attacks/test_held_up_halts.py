"""Halts while a server is attacked with a viewer's token and with none: all are answered.

The attacks come from a process of their own. How long halts take is measured by `make soak`
(`soak.halts`): here the machine may be busy, and what counts is that none is lost.
"""

import pytest

from soak.halts import besieged, measure
from soak.held_up import ATTACKS

HALTS = 20


@pytest.mark.parametrize("name", ATTACKS)
async def test_every_halt_is_answered_and_public(world, name):
    """Each gets 200, and the pointer that phones see is halted for its reason."""
    async with besieged(world) as server:
        seconds = await measure(server, name, HALTS)
    assert len(seconds) == HALTS
