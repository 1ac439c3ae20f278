"""A stand-in for `systemctl` on how-to pages.

It is a script whose arguments are the folder that stands for `/`, and systemctl's own. A unit's
command is run as its file says. As systemd does, the script waits for it: if the unit's type is
`notify`, until the command reports to NOTIFY_SOCKET. Socket units are not supported.
"""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from tests.flows.machine import UNITS, moved, stop


def start(root, name, unit):
    """Start the command of a unit whose conditions hold."""
    for needed in re.findall("^ConditionPathExists=(.*)", unit, re.MULTILINE):
        assert Path(moved(needed, root)).exists(), needed
    program, *words = moved(re.search("^ExecStart=(.*)", unit, re.MULTILINE)[1], root).split()
    credentials = root / "credentials"
    credentials.mkdir(exist_ok=True)
    for label, source in re.findall("^LoadCredential=(.*):(.*)", unit, re.MULTILINE):
        (credentials / label).write_bytes(Path(moved(source, root)).read_bytes())
        (credentials / label).chmod(0o400)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notes,
        (root / f"{name}.log").open("wb") as log,
    ):
        address = root / f"{name}.notify"
        address.unlink(missing_ok=True)
        notes.bind(str(address))
        child = subprocess.Popen(
            [Path(program).name, *words],
            env={
                **os.environ,
                "CREDENTIALS_DIRECTORY": str(credentials),
                "NOTIFY_SOCKET": str(address),
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        (root / f"{name}.pid").write_text(str(child.pid))
        notes.settimeout(0.2)
        while "Type=notify" in unit:
            assert child.poll() is None, (root / f"{name}.log").read_text()
            try:
                if b"READY=1" in notes.recv(4096):
                    break
            except TimeoutError:
                continue


def main(root, *words):
    """Carry out the arguments as systemctl would."""
    verb, *names = [word for word in words if word != "--now"]
    for name in (name if "." in name else f"{name}.service" for name in names):
        unit = (UNITS / name).read_text()
        if "ExecStart=" not in unit:
            continue
        if verb in {"stop", "restart"}:
            stop(root, name)
        if verb in {"start", "restart", "enable"}:
            start(root, name, unit)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
