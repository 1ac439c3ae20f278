"""The line that `--version` prints, of an installation of any kind and of the programs."""

import platform
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

import hening.version
from hening.commit import ask_git
from hening.version import describe_version
from tests.programs import PROGRAMS

ROOT = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Give the metadata of an installed wheel of version 9.8.7, which is found first."""
    folder = tmp_path / "hening-9.8.7.dist-info"
    (folder / "extra_metadata").mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.4\nName: hening\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(hening.version, "__file__", str(tmp_path / "hening" / "version.py"))
    return folder


@pytest.mark.parametrize("ending", ["", "-dirty"])
def test_a_wheel_tells_the_commit_it_was_built_from(installed, ending):
    """Shortened, and with what git said about changes."""
    (installed / "extra_metadata" / "commit").write_text(f"{COMMIT}{ending}\n")
    python = platform.python_version()
    assert describe_version("hening-server") == (
        f"hening-server 9.8.7 (commit 0123456789ab{ending}, Python {python})"
    )


@pytest.mark.usefixtures("installed")
def test_a_commit_that_is_not_known_is_said_to_be_so():
    """Neither in the wheel nor in a checkout."""
    assert "9.8.7 (commit not known, Python " in describe_version("hening-server")


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_programs_tell_the_commit_of_the_checkout(program):
    """With status 0."""
    shown = CliRunner().invoke(PROGRAMS[program], ["--version"])
    assert shown.exit_code == 0
    commit = ask_git(ROOT)[:12]
    assert len(commit) == 12
    assert shown.stdout.startswith(f"{program} {version('hening')} (commit {commit}")
    assert shown.stdout.endswith(f", Python {platform.python_version()})\n")
