"""The most memory that this process held, from a moment on; Linux only.

What `getrusage` tells of a child begins with what its parent held.
"""

from pathlib import Path

_STATUS = Path("/proc/self/status")


def begin_peak() -> int:
    """Forget the peak so far; returns the bytes that are held now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _read("VmRSS")


def read_peak() -> int:
    """Return the peak since then, in bytes."""
    return _read("VmHWM")


def _read(name: str) -> int:
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
