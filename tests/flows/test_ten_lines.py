"""The README's ten lines, from an empty folder to a phone that runs one's own release."""

import os
import sys
from pathlib import Path

from tests.flows.shell import read_console, run_script
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.split("## Your own ROM, in ten lines\n")[1].split("\n## ")[0]
# A server checks for a command's publication ten times a second; people type more slowly.
SERVED = """until grep -q '"serving".*"version": 3' server.log; do sleep 0.1; done"""


def test_ten_lines(programs, tmp_path):
    """Each line exits with 0, and the last but one prints what the README shows.

    All files come from programs that the lines start, except for the packages, which stand for the
    reader's own.
    """
    checkout = tmp_path / "a checkout"  # a path may contain a space
    checkout.mkdir()
    (checkout / "fixtures").symlink_to(ROOT / "fixtures")
    (checkout / ".venv").symlink_to(sys.prefix)
    lines = read_console(SECTION)
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    (printed,) = [line for line in lines if not line.startswith("$ ")]
    assert len(commands) <= 4 + 9
    build = commands.index(find(commands, "python -m fixtures.build"))
    commands[build] = commands[build].replace("python", str(programs.python), 1)
    commands.insert(1 + commands.index(find(commands, "hening-server rollout")), SERVED)
    script = "\n".join(["set -em", "trap 'kill %1 2> /dev/null' EXIT", *commands])
    environment = {
        "HOME": str(tmp_path / "home"),
        "HENING_SIGNER_PASSPHRASE": "correct horse battery staple",
        "LC_ALL": "C.UTF-8",
        "PATH": os.environ["PATH"],
    }
    output = run_script(script.replace("8080", str(free_port())), checkout, environment)
    assert printed in output.splitlines()
    assert (tmp_path / "home" / "rom-second-root" / "root-2.key").exists()


def find(commands, start):
    """Return the one command that begins with this text."""
    (found,) = [command for command in commands if command.startswith(start)]
    return found
