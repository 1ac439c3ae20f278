"""The tutorial's commands, executed in order by a shell."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial" / "first-release.md").read_text(encoding="utf-8")


@pytest.mark.needs("softhsm")
def test_tutorial(programs, tmp_path):
    """Each command exits with 0, and the phone ends on the build that was signed."""
    blocks = re.findall(r"```console\n(.*?)```", TUTORIAL, re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    assert len(lines) > 50
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # One pair of owners in place of four, and one process of phones for five hours in place of two
    # for twelve, test the commands as well.
    for shown, done in (
        ("lab run --url", "lab run --pairs 1 --url"),
        ("--devices 300 --hours 12", "--workers 1 --devices 50 --hours 5"),
    ):
        assert shown in "".join(lines)
        lines = [line.replace(shown, done) for line in lines]
    script = "\n".join(["set -em", "trap 'kill %1 2> /dev/null' EXIT", *lines])
    done = subprocess.run(
        ["bash", "-c", script.replace("8080", str(port))],
        cwd=tmp_path,
        env={
            **os.environ,
            "HENING": str(ROOT),
            "PATH": f"{programs.path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "runs build 1, Hening/armani/armani:14/UKQ1.250101.001/1.1.0-id" in done.stdout
    assert "is halted in armani/id/stable: from now on no phone installs it" in done.stdout
    assert "Idul Fitri (today, id): Selamat Hari Raya Idul Fitri." in done.stdout
    assert "Telkomsel  internet  default,supl" in done.stdout
    assert "112 is an emergency number in ID." in done.stdout
    assert "Asia/Jakarta at 2026-03-21 12:00:00 UTC: UTC+07:00 (WIB)" in done.stdout
    assert "imei" in (tmp_path / "leaks.txt").read_text()
    assert "verdict: clean" in done.stdout
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
