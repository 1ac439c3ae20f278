"""Phones on disk and in memory that poll one repository, for comparing their polls."""

from client_sim.device.phone import Phone
from tests.client_sim.device import shop
from tests.client_sim.device.fake_world import FakeWorld


def open_phone(folder, repository, draws=0):
    """Open a phone whose world is in memory; `draws` were made from its tape before."""
    world = FakeWorld(repository)
    world.clock = float(shop.NOW)
    for _ in range(draws):
        world.entropy(1)

    def make_world(public, state):
        world.public, world.state = public, state
        return world

    phone = Phone(folder, make_world=make_world)
    phone.world = world
    return phone
