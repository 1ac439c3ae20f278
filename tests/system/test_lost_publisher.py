"""One of two publishers is killed while releases wait: a later halt is published first."""

import asyncio
import functools

import pytest

from tests.lost_publisher import ROLES, play
from tests.server.site import Site, run_out

pytestmark = [pytest.mark.needs("seaweed"), pytest.mark.needs("postgresql")]


async def test_halt_while_dead_publisher_has_lease(
    fresh_state, postgres, seaweed, programs, tmp_path
):
    """The halt is public before any waiting release; these are published then, none is lost."""
    site = await asyncio.to_thread(Site, fresh_state, postgres, seaweed, tmp_path)
    world = await asyncio.to_thread(site.machine, "clock")
    expire = functools.partial(asyncio.to_thread, run_out, world)
    story = await play(site, tmp_path / "client", expire, programs)
    first = story.order[: story.order.index("latest")]
    assert len(first) <= story.is_accepted  # an accepted publication is completed first
    assert set(story.order[len(first) + 1 :]) & set(ROLES)
    assert story.halt < story.next
