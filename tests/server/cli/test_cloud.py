"""`cloud init` and `cloud run` as an operator runs them."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from server.cli import cli
from server.cloud.pepper.escrow import decode_escrow
from server.cloud.pepper.file import load_pepper

PROGRAM = Path(sys.executable).with_name("hening-server")


def test_a_cloud_is_made_and_served_until_it_is_told_to_end(tmp_path):
    """The pepper is printed once and is in no file of the folder; `run` prints the address."""
    folder, pepper = tmp_path / "cloud", tmp_path / "pepper"
    made = CliRunner().invoke(
        cli,
        ["cloud", "init", "--folder", str(folder), "--pepper", str(pepper), "--region", "id"],
    )
    assert made.exit_code == 0, made.output
    digits = pepper.read_text().split()[1]
    lines = [line for line in made.output.splitlines() if line.startswith("  ")]
    assert decode_escrow(lines) == load_pepper(pepper, os.geteuid())
    words = ["cloud", "run", "--folder", folder, "--pepper", pepper, "--port", "0"]
    with subprocess.Popen([PROGRAM, *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            with urllib.request.urlopen(f"{url}/api/v1/authentication/is_etebase/") as answer:
                assert answer.status == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert folder / "cloud.sqlite" in files
    assert not any(bytes.fromhex(digits) in path.read_bytes() for path in files)
    assert not any(digits.encode() in path.read_bytes() for path in files)


def test_without_a_pepper_nothing_is_served(tmp_path, monkeypatch):
    """The message says where the pepper may come from."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    folder = tmp_path / "cloud"
    words = ["--folder", str(folder), "--pepper", str(tmp_path / "pepper"), "--region", "id"]
    assert CliRunner().invoke(cli, ["cloud", "init", *words]).exit_code == 0
    ran = CliRunner().invoke(cli, ["cloud", "run", "--folder", str(folder)])
    assert ran.exit_code == 2
    assert "give the pepper's file with --pepper" in ran.output
    assert [path.name for path in folder.iterdir()] == ["cloud.toml"]


def test_a_former_cloud_without_its_bodies_is_refused(tmp_path):
    """Otherwise what was erased there would come back, and no sentence say so."""
    for name in ("former", "new"):
        words = ["--folder", str(tmp_path / name), "--pepper", str(tmp_path / f"{name}.pepper")]
        made = CliRunner().invoke(cli, ["cloud", "init", *words, "--region", "id"])
        assert made.exit_code == 0, made.output
    words = ["--from", tmp_path / "backup", "--folder", tmp_path / "new"]
    words = [*map(str, words), "--former", str(tmp_path / "former")]
    ran = CliRunner().invoke(cli, ["cloud", "restore", *words])
    assert "former/bodies does not exist" in str(ran.exception)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["cloud.toml"]


@pytest.mark.parametrize("module", ["server.cli", "server.app", "server.cli.state"])
def test_nothing_else_imports_the_cloud(module):
    """Without `cloud init` the other services are unchanged."""
    code = f"import sys, {module}; sys.exit(any('server.cloud' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
