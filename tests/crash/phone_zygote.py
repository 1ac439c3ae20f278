"""Installs a build on a phone for each job, and kills that process before a disk operation.

Packages are signed once, here.
"""

import os
import signal
from pathlib import Path

from client_sim import transport
from client_sim.device import download
from client_sim.device.phone import Phone
from tests.client_sim.device import shop
from tests.client_sim.device.fake_world import FakeWorld
from tests.client_sim.device.repository_simulator import Repository
from tests.client_sim.engine.power_cut import CountingDisk
from tests.crash.forks import serve

# In place of 8 MiB, so that a fixture's package has many blocks.
BLOCK = 16 * 1024


class KilledDisk(CountingDisk):
    """Kills this process before a step; if the step is a write, half of it is done first."""

    def __init__(self, last, report):
        super().__init__()
        self.last = last
        self.report = report

    def step(self, name):
        """Record a step before it is made, and kill the process if it is the last one."""
        with self.lock:
            self.steps.append(name)
            self.report(name)
            if len(self.steps) - 1 == self.last:
                os.kill(os.getpid(), signal.SIGKILL)

    def write_at(self, file, position, data):
        """Write the data; write only half of it before a kill."""
        if len(self.steps) == self.last:
            os.pwrite(file.fileno(), data[: len(data) // 2], position)
        super().write_at(file, position, data)


def main():
    """Serve jobs until standard input ends."""
    transport.BLOCK = download.BLOCK = BLOCK
    market = Repository(shop.NOW)
    links = [shop.add_package(market, 1), shop.add_package(market, 1, 0)]
    links = {"full": links[:1], "incremental": links}

    def act(job, report):
        folder = Path(job["phone"])
        shop.announce(market, 1, links[job["package"]])
        match job["do"]:
            case "make":
                shop.make_phone(folder, market)
            case "install":
                install(open_phone(folder, market, KilledDisk(job["die"], report)), job)
            case _:
                go_on(open_phone(folder, market, None), job)

    serve(act)


def open_phone(folder, market, disk):
    """Turn the phone on."""
    world = FakeWorld(market)
    world.clock = float(shop.NOW)

    def make_world(public, state):
        world.public, world.state = public, state
        return world

    return Phone(folder, make_world=make_world, disk=disk)


def install(phone, job):
    """Install build 1 and start it."""
    phone.install(is_whole=job["whole"])
    reboot(phone)


def reboot(phone):
    """Start the phone, and compare every byte of the running build."""
    build = phone.reboot(is_healthy=lambda _: True).build
    images = shop.find_build("armani", "id", build.counter - 1).images
    for name, image in images.items():
        assert phone.slots.image_path(name).read_bytes() == image.read_bytes(), name
    return build


def go_on(phone, job):
    """Start the phone after a power failure, install if build 0 runs, and start it again."""
    before = reboot(phone)
    assert before in {shop.facts(0), shop.facts(1)}
    if before == shop.facts(0):
        assert phone.install(is_whole=job["whole"]).installed == shop.facts(1)
        assert reboot(phone) == shop.facts(1)
    assert phone.install().installed is None
    assert phone.floor == 2


if __name__ == "__main__":
    main()
