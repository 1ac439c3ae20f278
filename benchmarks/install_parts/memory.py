"""The peak memory of this process since a given time; Linux only.

`getrusage` cannot be used: the peak of a child process starts with the memory of its parent.
"""

from pathlib import Path

_STATUS = Path("/proc/self/status")


def begin_peak() -> int:
    """Reset the peak; return the resident bytes now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _read("VmRSS")


def read_peak() -> int:
    """Return the peak since `begin_peak`, in bytes."""
    return _read("VmHWM")


def _read(name: str) -> int:
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
