"""The line that `--version` prints, for wheels, checkouts and each program."""

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
    """Return the metadata folder of a wheel of version 9.8.7, which is found first."""
    folder = tmp_path / "hening-9.8.7.dist-info"
    (folder / "extra_metadata").mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.4\nName: hening\nVersion: 9.8.7\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(hening.version, "__file__", str(tmp_path / "hening" / "version.py"))
    return folder


@pytest.mark.parametrize("ending", ["", "-dirty"])
def test_version_of_a_wheel(installed, ending):
    """A wheel reports the shortened commit of its build, with the mark of changed files."""
    (installed / "extra_metadata" / "commit").write_text(f"{COMMIT}{ending}\n")
    python = platform.python_version()
    assert describe_version("hening-server") == (
        f"hening-server 9.8.7 (commit 0123456789ab{ending}, Python {python})"
    )


@pytest.mark.usefixtures("installed")
def test_version_without_a_commit():
    """Outside of a checkout, a wheel without a commit says that it is not known."""
    assert "9.8.7 (commit not known, Python " in describe_version("hening-server")


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_of_the_programs(program):
    """Each program reports the checkout's commit, with status 0."""
    shown = CliRunner().invoke(PROGRAMS[program], ["--version"])
    assert shown.exit_code == 0
    commit = ask_git(ROOT)[:12]
    assert len(commit) == 12
    assert shown.stdout.startswith(f"{program} {version('hening')} (commit {commit}")
    assert shown.stdout.endswith(f", Python {platform.python_version()})\n")
