"""The machine on which a client runs, as far as its interpreter reports it.

Without simulated machines all phones would run on the same one, and comparing them would not show
bytes that depend on it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import accumulate
from types import MappingProxyType
from typing import Final

from client_sim.countries import COUNTRIES
from client_sim.tape import Tape

_SHELLS: Final = ("/bin/bash", "/bin/dash", "/bin/zsh", "/usr/bin/fish")
_YEAR: Final = 31_536_000
_BLOCK: Final = 4096
_GIB: Final = 2**30 // _BLOCK


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """What differs between machines; times are in seconds, sizes in blocks of 4,096 bytes.

    `clock` is the offset of its clock from the real machine's, and `uptime` the time since its
    start. `files` maps paths to the contents of files that identify a machine.
    """

    host: str
    user: str
    uid: int
    pid: int
    parent: int
    cpus: int
    disk: int
    free: int
    memory: int
    node: int
    clock: float
    uptime: float
    load: float
    release: str
    environment: Mapping[str, str]
    files: Mapping[str, str]


@lru_cache(maxsize=512)
def make_machine(seed: bytes) -> Machine:
    """Draw a machine; the same seed gives the same one, other seeds differ in every field."""
    tape = Tape(b"machine " + seed)
    host, user = tape.word()[: 4 + tape.below(9)], tape.word()[: 3 + tape.below(6)]
    home = f"/{tape.pick(('home', 'Users', 'srv'))}/{user}"
    country, zone = tape.pick(COUNTRIES), tape.pick(COUNTRIES).zone
    language = f"{country.language}_{country.name}"
    # All magnitudes, because a client may react to a small disk or to a recent start.
    cpus, memory = 1 + tape.below(64), _draw(tape, _GIB // 2, 512 * _GIB)
    disk = _draw(tape, 4 * _GIB, 8000 * _GIB)
    uptime = _draw(tape, 30, 3 * _YEAR) + tape.below(1000) / 1000
    release = f"{4 + tape.below(3)}.{tape.below(20)}.{tape.below(200)}"
    processor = f"processor\t: %d\nmodel name\t: {tape.word()}\n"
    return Machine(
        host=host,
        user=user,
        uid=1000 + tape.below(60_000),
        pid=2 + tape.below(4_000_000),
        parent=2 + tape.below(4_000_000),
        cpus=cpus,
        disk=disk,
        free=_draw(tape, 1000, disk),
        memory=memory,
        node=int.from_bytes(b"\x02" + tape.data(5)),
        clock=float(tape.below(2 * _YEAR) - _YEAR) + tape.below(1000) / 1000,
        uptime=uptime,
        load=tape.below(900) / 100,
        release=release,
        environment=MappingProxyType(
            {
                "HOME": home,
                "PWD": home,
                "USER": user,
                "LOGNAME": user,
                "HOSTNAME": host,
                "TZ": zone,
                "LANG": f"{language}.UTF-8",
                "LANGUAGE": language,
                "SHELL": tape.pick(_SHELLS),
                "TERM": tape.word(),
                "DISPLAY": f":{cpus}",
                "COLUMNS": str(40 + tape.below(200)),
                tape.word().upper(): tape.word(),
            }
        ),
        files=MappingProxyType(
            {
                "/etc/hostname": f"{host}\n",
                "/proc/sys/kernel/hostname": f"{host}\n",
                "/proc/sys/kernel/osrelease": f"{release}\n",
                "/etc/timezone": f"{zone}\n",
                "/etc/machine-id": f"{tape.data(16).hex()}\n",
                "/var/lib/dbus/machine-id": f"{tape.data(16).hex()}\n",
                "/proc/sys/kernel/random/boot_id": f"{tape.uuid()}\n",
                "/proc/uptime": f"{uptime:.2f} {uptime * cpus / 2:.2f}\n",
                "/proc/loadavg": f"{tape.below(9)}.{tape.digits(2)} 0.10 0.05 1/99 4242\n",
                "/proc/meminfo": f"MemTotal: {memory * 4} kB\nMemFree: {memory} kB\n",
                "/proc/cpuinfo": "".join(processor % each for each in range(cpus)),
            }
        ),
    )


def _draw(tape: Tape, minimum: int, maximum: int) -> int:
    """Draw a number from `minimum` to `maximum`, distributed log-uniformly."""
    return round(minimum * math.exp(math.log(maximum / minimum) * tape.below(1 << 32) / (1 << 32)))


def grow_older(machine: Machine, tape: Tape, times: int) -> tuple[Machine, ...]:
    """Return `times` later states of a machine, each derived from the previous one.

    About half of the fields change each time. The free disk space always changes, and decreases in
    half of the draws.
    """
    return tuple(
        accumulate(range(times), lambda previous, _: _alter(previous, tape), initial=machine)
    )[1:]


def _alter(machine: Machine, tape: Tape) -> Machine:
    other = make_machine(tape.data(8))
    changes = {each.name: getattr(other, each.name) for each in fields(Machine) if tape.below(2)}
    for name in ("environment", "files"):
        old, new = getattr(machine, name), getattr(other, name)
        drawn = {key: value for key, value in new.items() if tape.below(2)}
        changes[name] = MappingProxyType({**old, **drawn})
    disk = changes.get("disk", machine.disk)
    free = _draw(tape, 100, min(disk, machine.free) if tape.below(2) else disk)
    changes["free"] = free - 1 if free == machine.free else free
    return replace(machine, **changes)
