"""The rehearsal folder of docs/how-to/rehearse.md, in which tests run the how-to pages."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.patience import until
from tests.program_runner import Programs

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
PASSPHRASE = b"FIXTURE-ONLY correct horse"
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"


def read_blocks(name):
    """Return the lines of a page's console blocks; blocks in lists are indented."""
    page = (HOW_TO / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^( *)```console\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE)
    return [line.removeprefix(indent) for indent, block in blocks for line in block.splitlines()]


def read_files(name):
    """Return path and text of the files that a page shows; a file's first line names its path."""
    page = (HOW_TO / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```yaml\n *# (\S+)\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE)
    return [(path, textwrap.dedent(text)) for path, text in blocks]


def read_commands(name):
    """Return the commands of a page."""
    return [line.removeprefix("$ ") for line in read_blocks(name) if line.startswith("$ ")]


def find_port():
    """Return a port that is free at both addresses and outside the kernel's ephemeral range."""
    for port in range(21_000 + os.getpid() % 5_000, 32_000):
        try:
            for address in (HERE, ELSEWHERE):
                socket.create_server((address, port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")


@dataclass
class Rehearsal:
    """A folder in which the page's commands were run, for the commands of other pages."""

    folder: Path
    port: int
    programs: Programs

    def shell(self, lines, *, before=""):
        """Run the commands of a page, after `before`; each must exit with 0."""
        exports = read_commands("rehearse")[0]
        script = "\n".join(["set -em", exports, before, *lines]).replace("8080", str(self.port))
        # A file, because a pipe would stay open: the server holds it after the shell has ended.
        said = self.folder / "said.txt"
        with said.open("wb") as file:
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            )
        assert done.returncode == 0, said.read_text()
        return said.read_text()

    def start(self):
        """Start the server again, as on the page, and wait until it answers and publishes."""
        (line,) = (line for line in read_commands("rehearse") if "hening-server run" in line)
        self.shell([line])
        log = self.folder / "server.log"
        until(lambda: _is_open(self.port) and b"listening" in log.read_bytes())

    def stop(self):
        """Stop all servers that run in the folder, whichever shell has started them."""
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                here = (process / "cwd").resolve() == self.folder.resolve()
            except OSError:
                continue
            if here and b"run" in words:
                os.kill(int(process.name), signal.SIGTERM)
        until(lambda: not _is_open(self.port))

    def environment(self):
        """Return the environment of a shell in this folder."""
        return {
            **os.environ,
            "HENING": str(ROOT),
            "HENING_SIGNER_PASSPHRASE": PASSPHRASE.decode(),
            "HOME": str(self.folder),
            "PATH": f"{self.programs.path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
        }


def _is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex((HERE, port)) == 0


def make_rehearsal(folder, programs, kind=Rehearsal):
    """Run the page's commands once, and stop its server."""
    made = kind(folder, find_port(), programs)
    made.folder.mkdir()
    try:
        made.shell(read_commands("rehearse"))
    finally:
        made.stop()
    return made


@contextmanager
def copied(made, folder):
    """Copy a rehearsal, and run its server again until the block ends."""
    mine = type(made)(folder, made.port, made.programs)
    shutil.copytree(made.folder, mine.folder)
    (mine.folder / "server.log").unlink()
    try:
        mine.start()
        yield mine
    finally:
        mine.stop()
