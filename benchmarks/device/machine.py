"""The machine and the programs of a measurement."""

import os
import platform
import re
import resource
import subprocess
from importlib.metadata import version
from pathlib import Path

import msgspec

from benchmarks.device.process import find
from benchmarks.device.python_peers import peers_bin


class Machine(msgspec.Struct, frozen=True):
    """The hardware and the software versions of a measurement."""

    processor: str
    cores: int
    memory_gb: int
    kernel: str
    python: str
    programs: dict[str, str]

    def __str__(self) -> str:
        programs = ", ".join(f"{name} {number}" for name, number in self.programs.items())
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gb} GB, Linux {self.kernel},"
            f" Python {self.python}, {programs}"
        )


def look_at_machine() -> Machine:
    """Return the description of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    programs = {name: version(name) for name in ("aiohttp", "uvloop")}
    programs |= _programs()
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gb=round(memory / 1e9),
        kernel=platform.release(),
        python=platform.python_version(),
        programs=programs,
    )


def raise_descriptors() -> None:
    """Raise the limit of descriptors to the hard limit; child processes inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    match = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    family = re.search(r"^cpu family\s*: (\d+)$", text, re.MULTILINE)
    model = re.search(r"^model\s*: (\d+)$", text, re.MULTILINE)
    if match is None:
        return platform.machine()
    numbers = f" (family {family[1]}, model {model[1]})" if family and model else ""
    return match[1] + numbers


def _programs() -> dict[str, str]:
    found = {}
    for name, arguments in (("nginx", ["-v"]), ("h2load", ["--version"]), ("wrk", ["-v"])):
        program = find(name)
        if program is not None:
            found[name] = _number([program, *arguments])
    for name in ("granian", "gunicorn", "flask"):
        installed = peers_bin() / name
        if installed.exists():
            found[name] = _number([str(installed), "--version"])
    return found


def _number(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - ours
    said = done.stdout + done.stderr
    match = re.search(r"Flask (\d[\d.]+\d)|[\s/(v](\d+\.[\d.]+\d)", said)
    return (match[1] or match[2]) if match else "?"
