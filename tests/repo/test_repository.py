"""The repository's own rules: packaging, lock files, words that must not be committed."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import client_sim
import hening
import server
import signer
from hening.commit import ask_git
from hening.version import BAKED

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def committed_paths():
    """Return the path of everything that git tracks."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.split(b"\0")
    return [ROOT / name.decode() for name in filter(None, listing)]


def committed_files():
    """Return every text file that git tracks."""
    for path in committed_paths():
        if path.is_file() and path.stat().st_size < 2_000_000 and b"\0" not in path.read_bytes():
            yield path


def test_no_symbolic_links():
    """No symbolic link is tracked, because a link could name a path of one machine."""
    assert [path for path in committed_paths() if path.is_symlink()] == []


def test_packages_are_not_shadowed():
    """A foreign distribution that installs `server` does not shadow this repository's package."""
    for package in (hening, server, signer, client_sim):
        assert Path(package.__file__).is_relative_to(ROOT)
        assert (Path(package.__file__).parent / "py.typed").exists()


def test_wheel_contents(tmp_path):
    """The wheel has the packages and the commit, but neither tests nor fixtures."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    wheel = next(tmp_path.glob("*.whl"))
    archive = zipfile.ZipFile(wheel)
    top = {name.split("/")[0] for name in archive.namelist()}
    about = f"hening-{SETTINGS['project']['version']}.dist-info"
    assert top == {"hening", "server", "signer", "client_sim", about}
    assert archive.read(f"{about}/{BAKED}").decode().strip() == ask_git(ROOT)


def test_lock_files():
    """Every requirement has hashes, and no line names a download address."""
    files = sorted((ROOT / "requirements").glob("*.txt"))
    assert len(files) == 11
    for file in files:
        text = file.read_text()
        pins = re.findall(r"^[a-z0-9][\w.\[\],-]*==\S+", text, re.MULTILINE)
        assert pins
        assert text.count("--hash=sha256:") >= len(pins)
        assert "://" not in text
        assert "index" not in text.replace("index-", "")


def find_in_files(paths, *patterns):
    """Return each file that matches one of the patterns, with the match."""
    forbidden = re.compile("|".join(patterns))
    return [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in paths
        if (match := forbidden.search(path.read_text(errors="replace")))
    ]


def test_no_registries_or_machine_paths():
    """No committed file names a registry host or a home folder of a machine."""
    hosts = ("pyp" + r"i\.org", "pythonhost" + "ed", r"deb\.debia" + "n", "npmj" + "s")
    home = r"(?:^|[^A-Za-z0-9_.])/(?:root|home)/"
    assert find_in_files(committed_files(), *hosts, home) == []


def test_no_skips_or_placeholders():
    """No test is skipped or expected to fail, and no code is a placeholder."""
    words = ("x" + "fail\\(", "mark" + r"\.skip", "pytest" + r"\.skip", "TO" + "DO", "FIX" + "ME")
    files = (path for path in committed_files() if path.suffix in {".py", ".toml", ".sh"})
    assert find_in_files(files, *words, "NotImplemented" + "Error") == []


def test_no_test_folder_is_a_package():
    """A `tests/server` package would shadow `server` in pytest's importlib mode."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_lock_files_match_pyproject():
    """The lock files match pyproject.toml: each direct dependency is pinned."""
    names = [re.split(r"[\[<>=]", line)[0].lower() for line in SETTINGS["project"]["dependencies"]]
    text = (ROOT / "requirements" / "run.txt").read_text()
    assert [name for name in names if f"\n{name}==" not in f"\n{text}"] == []


def test_make_keeps_bytecode():
    """Programs of `make` cache compiled modules, even if the environment turns the cache off."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "--eval=shown:; @env", "shown"],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "PATH=" in shown
    assert "PYTHONDONTWRITEBYTECODE" not in shown


def test_package_docstrings_name_existing_modules():
    """A word in backquotes in a package's docstring names one of its modules or a package."""
    for root in ("server", "signer", "client_sim"):
        for init in (ROOT / root).rglob("__init__.py"):
            names = re.findall(r"`([a-z0-9_]+)`", ast.get_docstring(ast.parse(init.read_text())))
            there = [path.name for path in (*init.parent.iterdir(), *ROOT.iterdir())]
            missing = [name for name in names if not any(one.startswith(name) for one in there)]
            assert missing == [], init
