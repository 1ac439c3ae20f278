"""The tutorial's commands, executed in order by a shell."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.shell import read_console, run_script
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial" / "first-release.md").read_text(encoding="utf-8")


@pytest.mark.needs("softhsm")
def test_tutorial(programs, tmp_path):
    """Each command exits with 0, and the phone ends on the build that was signed."""
    lines = [line.removeprefix("$ ") for line in read_console(TUTORIAL)]
    assert len(lines) > 50
    # One pair of owners in place of four, and one process of phones for five hours in place of two
    # for twelve, test the commands as well.
    for shown, shorter in (
        ("lab run --url", "lab run --pairs 1 --url"),
        ("--devices 300 --hours 12", "--workers 1 --devices 50 --hours 5"),
    ):
        assert shown in "".join(lines)
        lines = [line.replace(shown, shorter) for line in lines]
    script = "\n".join(["set -em", "trap 'kill %1 2> /dev/null' EXIT", *lines])
    environment = {
        **os.environ,
        "HENING": str(ROOT),
        "PATH": f"{programs.path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
    }
    output = run_script(script.replace("8080", str(free_port())), tmp_path, environment)
    assert "runs build 1, Hening/armani/armani:14/UKQ1.250101.001/1.1.0-id" in output
    assert "is halted in armani/id/stable: from now on no phone installs it" in output
    assert "Idul Fitri (today, id): Selamat Hari Raya Idul Fitri." in output
    assert "Telkomsel  internet  default,supl" in output
    assert "112 is an emergency number in ID." in output
    assert "Asia/Jakarta at 2026-03-21 12:00:00 UTC: UTC+07:00 (WIB)" in output
    assert "imei" in (tmp_path / "leaks.txt").read_text()
    assert "verdict: clean" in output
    assert "contacts.number as url" in (tmp_path / "leaks-2014.txt").read_text()


def test_server_fails_to_start(tmp_path):
    """If its port is in use, step 3 fails and shows the server's message."""
    step = TUTORIAL.split("## 3. ")[1].split("## 4. ")[0]
    (block,) = re.findall(r"```console\n(\$ hening-signer ceremony accept.*?)```", step, re.DOTALL)
    *_, run, until, look = [line.removeprefix("$ ") for line in block.splitlines()]
    assert run.startswith("hening-server run ")
    assert run.endswith(" 2> server.log &")
    ended = "echo 'port 8080 is in use' 2>&1 > server.log && false &"
    done = subprocess.run(
        ["bash", "-c", f"set -em\n{ended}\n{until}\n{look}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "port 8080 is in use\n")
