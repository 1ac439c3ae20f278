"""Simulated machines: network namespaces that are connected by a bridge.

They are inside separate namespaces for network, mounts and processes. The host is not changed, two
sites can run at the same time, and the kernel kills all programs with the first process.
"""

import ctypes
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
NAMES = Path("/run/netns")
BRIDGE = "hening"
NET = "10.77.0"
HOST = f"{NET}.1"  # the address of the process that drives the site
CLONE_NEWNET = 0x40000000


def is_possible() -> bool:
    """Return whether this user can create the namespaces here."""
    try:
        made = subprocess.run(
            [*UNSHARE, "ip", "link", "add", BRIDGE, "type", "bridge"],
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except OSError:
        return False
    return made.returncode == 0


@dataclass(frozen=True, slots=True)
class Machine:
    """A network namespace with one address on the bridge."""

    name: str
    address: str

    def inside(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs `command` in the namespace, with the same process id."""
        return ["nsenter", f"--net={NAMES / self.name}", "--", *command]

    def cut(self) -> None:
        """Take the link down: packets of both directions are lost."""
        run_ip("link", "set", self._link, "down")

    def mend(self) -> None:
        """Bring the link up."""
        run_ip("link", "set", self._link, "up")

    def enter(self) -> None:
        """Move the calling thread into the namespace permanently."""
        descriptor = os.open(NAMES / self.name, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot enter {self.name}")
        finally:
            os.close(descriptor)

    def start(self) -> None:
        """Create the namespace, and connect it to the bridge."""
        run_ip("netns", "add", self.name)
        run_ip("link", "add", self._link, "type", "veth", "peer", "eth0", "netns", self.name)
        run_ip("link", "set", self._link, "master", BRIDGE, "up")
        for words in (
            ("addr", "add", f"{self.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            run_ip("-n", self.name, *words)

    @property
    def _link(self) -> str:
        return f"to-{self.name}"  # at most 15 characters


def make_machines(names: Sequence[str]) -> dict[str, Machine]:
    """Create the bridge and a machine for each name; addresses follow the order of the names."""
    NAMES.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "names", str(NAMES)], check=True)
    run_ip("link", "set", "lo", "up")
    run_ip("link", "add", BRIDGE, "type", "bridge")
    run_ip("addr", "add", f"{HOST}/24", "dev", BRIDGE)
    run_ip("link", "set", BRIDGE, "up")
    machines = {
        name: Machine(name, f"{NET}.{number}") for number, name in enumerate(names, start=11)
    }
    for machine in machines.values():
        machine.start()
    return machines


def run_ip(*words: str) -> None:
    """Run `ip`; raises CalledProcessError."""
    subprocess.run(["ip", *words], check=True)
