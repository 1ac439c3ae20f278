"""The files that a process holds: mapped to be written, or open for writing (Linux).

Its memory is not examined: what is only in memory is not kept, and ends with the process.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from client_sim.lab.errors import SurroundingsError

# proc_pid_maps(5): range, permissions with `s` for shared, offset, device, inode, path.
_MAPPED: Final = re.compile(r"([0-9a-f]+-[0-9a-f]+) .w.s \S+ \S+ ([0-9]+)\s+(/.*)")
_MEMORY: Final = ("/dev/zero", "/SYSV", "/memfd:", "/dev/shm/sem.")  # noqa: S108  # no file of ours
_DELETED: Final = " (deleted)"


def find_files(pid: int) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each file that a process or its descendants can write to.

    A deleted file is read by the descriptor or the mapping that holds it. Yields nothing for a
    process that is gone. Raises SurroundingsError where the system does not list the files.
    """
    for each in (pid, *_find_descendants(pid)):
        try:
            yield from _find_mapped(each)
            yield from _find_open(each)
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError as error:
            raise SurroundingsError(
                f"the files of process {each} cannot be listed ({error}): run this as the"
                " server's user, or as root"
            ) from error


def check_process(pid: int) -> None:
    """Raise SurroundingsError unless a process runs and the system lists its files."""
    if not Path(f"/proc/{pid}/maps").exists():
        raise SurroundingsError(
            f"there is no process {pid}, or no /proc: name one that runs, on Linux"
        )


def _find_mapped(pid: int) -> Iterator[tuple[str, Path]]:
    for line in (
        Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    ):
        match = _MAPPED.fullmatch(line)
        if match is None or match[3].startswith(_MEMORY):
            continue
        if match[3].endswith(_DELETED):
            name = f"{match[3]} mapped by {pid}"
            yield name, Path(f"/proc/{pid}/map_files/{match[1]}")
        else:
            yield match[3], Path(match[3])


def _find_open(pid: int) -> Iterator[tuple[str, Path]]:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = str(link.readlink())
            said = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text(encoding="ascii")
        except FileNotFoundError:
            continue  # closed meanwhile
        flags = re.search(r"^flags:\s+([0-7]+)$", said, re.MULTILINE)
        writes = flags is not None and int(flags[1], 8) & os.O_ACCMODE != os.O_RDONLY
        if not writes or not name.startswith("/") or name.startswith(_MEMORY):
            continue
        if not link.is_file():  # a device
            continue
        if name.endswith(_DELETED):
            yield f"{name} open in {pid}", link
        elif Path(name).is_file():
            yield name, Path(name)


def _find_descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(folder.name)] = int(fields.rpartition(")")[2].split()[1])
    found = [pid]
    for each in found:  # grows during the loop
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]
