"""A simulated machine for how-to pages that need root: a folder takes the place of `/`.

Units are the files of `deploy/systemd`, and their commands are run unchanged except for paths.
Users and groups are not simulated: `tests/deploy` tests them in a Debian root, with the package.
"""

import os
import re
import shlex
import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.patience import until

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
PLAYED = {
    "runuser": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
    "chown": "exit 0",
    "apt": '[ "$1" = install ]',
}


def moved(text, root):
    """Move the paths of an installed service below a folder."""
    return re.sub(r"(?<![\w.])/(?=(?:var/lib|run|etc|backup)/)", f"{root}/", text)


def is_running(number):
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def stop(root, name):
    """Stop the command of a unit."""
    file = root / f"{name}.pid"
    if file.exists():
        number = int(file.read_text())
        if is_running(number):
            os.kill(number, signal.SIGTERM)
        until(lambda: not is_running(number))
        file.unlink()


@contextmanager
def machine(python):
    """Yield a folder with the paths of an installed service, and programs for root in `bin`."""
    root = Path(tempfile.mkdtemp(prefix="machine-"))  # short: socket paths are limited to 108 bytes
    try:
        for place in ("var/lib/hening", "var/lib/hening-keys", "run", "etc/hening-cloud", "backup"):
            (root / place).mkdir(parents=True)
        (root / "bin").mkdir()
        systemctl = (
            f"cd {shlex.quote(str(ROOT))} &&"
            f' exec {shlex.quote(str(python))} -m tests.flows.fake_systemctl {root} "$@"'
        )
        for name, lines in {**PLAYED, "systemctl": systemctl}.items():
            program = root / "bin" / name
            program.write_text(f"#!/bin/sh\n{lines}\n")
            program.chmod(0o755)
        yield root
    finally:
        for file in sorted(root.glob("*.pid"), reverse=True):  # the key process last
            stop(root, file.stem)
        shutil.rmtree(root)
