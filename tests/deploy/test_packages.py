"""The packages of `make dist`, installed in a clean Debian root.

The package is built once, which takes most of the time; each test that installs it has a separate
root.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest

from hening.commit import ask_git
from tests.bare.root import enter, make, remove
from tests.programs import PROGRAMS

ROOT = Path(__file__).parents[2]
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
STATE = "/var/lib/hening/state"
UNITS = ("hening.service", "hening.socket", "hening-keys.service", "hening-cloud.service")
pytestmark = pytest.mark.needs("dpkg-dev", "bare-root")

# A ceremony by one person, as the server's user.
CEREMONY = f"""
cd /var/lib/hening && export HENING_SIGNER_PASSPHRASE='correct horse battery staple'
hening-server init --state {STATE} --log-origin rom.example/log
hening-signer keys new --keys keys root-1 targets-1 tables-1 content-1 armani-1
hening-signer ceremony init --repo repo --keys keys --online {STATE}/keys/public.json \
  --model armani --threshold root=1 --threshold targets=1 --threshold tables=1 \
  --threshold content=1 --threshold armani=1 --out {STATE}/incoming
hening-server init --state {STATE} --root repo/metadata/1.root.json
"""
# systemd does not run in the root; this script replaces its program, and records the requests of
# maintainer scripts.
SYSTEMCTL = """#!/bin/sh
echo "$*" >> /systemctl
"""


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Return the folder with wheel and package, the build folder, and the commits.

    These are the checkout's commits before and after the build, because someone may commit during a
    test.
    """
    out, scratch = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("scratch")
    before = ask_git(ROOT)
    # Relative, because make does not accept spaces, which a checkout's path may have. The tests run
    # in this environment, so it is not made again.
    environment = os.path.relpath(sys.prefix, ROOT)
    made = subprocess.run(
        [
            "make",
            "dist",
            f"VENV={environment}",
            f"DIST={out}",
            "-o",
            f"{environment}/.programs-ready",
        ],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return out, scratch, {before[:12], ask_git(ROOT)[:12]}


@pytest.fixture(scope="module")
def package(dist):
    """Return the Debian package."""
    (file,) = dist[0].glob("hening_*.deb")
    return file


@pytest.fixture
def debian(tmp_path):
    """Yield a root, and a function that runs shell lines there and returns their output."""
    folder = tmp_path / "root"
    make(folder)

    def run(lines, user="root", *, network=False):
        command = enter(folder, user, "sh", "-ec", lines)
        done = subprocess.run(
            command if network else ["unshare", "--net", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    yield folder, run
    remove(folder)


def as_hening(lines):
    """Return the lines as the server's user runs them."""
    return f"runuser -u hening -- sh -ec {shlex.quote(lines)}"


def listing(folder):
    """Return every path below a folder with its mode, owner and content or length."""
    found = {}
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(about.st_mode) else b""
        found[str(path.relative_to(folder))] = (
            about.st_mode,
            about.st_uid,
            about.st_mtime,
            content,
        )
    return found


def newer(package, folder):
    """Make a package of a later version without libraries, and return its file."""
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder / "newer"], check=True)
    shutil.rmtree(folder / "newer" / "opt" / "hening" / "lib")  # 150 MB
    control = folder / "newer" / "DEBIAN" / "control"
    control.write_text(re.sub("(?m)^Version: .*", "Version: 99.0", control.read_text()))
    file = folder / "newer.deb"
    subprocess.run(["dpkg-deb", "-Znone", "--build", folder / "newer", file], check=True)
    return file


def test_package_metadata(package):
    """The package requires the minor version of Python with which its environment was made."""
    told = subprocess.run(
        ["dpkg-deb", "--field", package, "Depends", "Architecture", "Version"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    python = Path("/usr/bin/python3").resolve().name
    assert re.fullmatch(r"python3\.\d+", python)
    fields = dict(line.split(": ", 1) for line in told.splitlines())
    assert {python, "passwd"} < set(fields["Depends"].split(", "))
    name = f"hening_{fields['Version']}_{fields['Architecture']}.deb"
    assert package.name == name


def test_package_contents(package, dist, tmp_path):
    """Files belong to root and contain no build path; units and configuration are unchanged."""
    lines = subprocess.run(
        ["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {line.split()[1] for line in lines} == {"root/root"}
    assert not [line for line in lines if line[8] == "w" and line[0] != "l"]
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path / "files"], check=True)
    places = [bytes(dist[1]), bytes(ROOT)]
    for file in (tmp_path / "files").rglob("*"):
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            assert not [place for place in places if place in content], file
    units = tmp_path / "files" / "usr" / "lib" / "systemd" / "system"
    assert {file.name for file in units.iterdir()} == set(UNITS)
    for unit in units.iterdir():
        assert unit.read_bytes() == (ROOT / "deploy" / "systemd" / unit.name).read_bytes()
    configuration = (tmp_path / "files" / "etc" / "hening" / "hening.toml").read_text()
    assert tomllib.loads(configuration) == {"state": STATE}
    assert f"--state {STATE} " in (units / "hening.service").read_text()


def test_install_upgrade_remove_and_purge(  # noqa: PLR0915 - one life
    debian, dist, package, tmp_path
):
    """It works without a network; nothing starts by itself, and no step touches a state."""
    folder, run = debian
    shutil.copy(package, folder / "hening.deb")
    newer(package, tmp_path).rename(folder / "newer.deb")
    (folder / "run" / "systemd" / "system").mkdir(parents=True)
    systemctl = folder / "usr" / "local" / "sbin" / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)

    def asked():
        """Return the requests to systemd since the last call, except for daemon-reload."""
        file = folder / "systemctl"
        lines = file.read_text().splitlines()
        file.unlink()
        assert "daemon-reload" in lines
        return [line for line in lines if line != "daemon-reload"]

    state = folder / "var" / "lib" / "hening"
    links = folder / "etc" / "systemd" / "system"
    programs = [folder / "usr" / "bin" / name for name in PROGRAMS]
    before = {place: set((folder / place).rglob("*")) for place in ("opt", "usr")}

    # 1. Installed: users, an empty folder owned by the server, units enabled for the next start.
    run("dpkg --install /hening.deb")
    assert asked() == []
    assert list(state.iterdir()) == []
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    shown = run("stat --format %U:%G /var/lib/hening /var/lib/hening-keys /var/lib/hening-cloud")
    assert shown == "hening:hening\nhening-keys:hening\nhening-cloud:hening-cloud\n"
    enabled = {link.name for link in links.glob("*.wants/hening*")}
    assert enabled == {"hening.service", "hening.socket"}
    for program in programs:
        shown = run(f"{program.name} --version")
        assert re.search("commit ([0-9a-f]{12})", shown)[1] in dist[2]
        assert f"_{program.name.replace('-', '_').upper()}_COMPLETE=bash_complete" in (
            (folder / "usr/share/bash-completion/completions" / program.name).read_text()
        )
    lacking = run(
        "find /opt/hening -name '*.so*' -type f -exec ldd {} + 2>&1 | grep 'not found' || :"
    )
    assert not lacking

    # 2. Upgraded: the operator's state, modes, configuration and choice of units stay.
    run(as_hening(f"hening-server init --state {STATE} --log-origin rom.example/log"))
    state.chmod(0o750)
    configuration = folder / "etc" / "hening" / "hening.toml"
    configuration.write_text(f"{configuration.read_text()}# The operator's line.\n")
    written = configuration.read_text()
    (links / "sockets.target.wants" / "hening.socket").unlink()
    kept = listing(state)
    assert "99.0" in run("dpkg --install /newer.deb && dpkg --status hening | grep Version")
    assert asked() == ["try-restart hening-keys.service hening.service hening-cloud.service"]
    assert listing(state) == kept
    assert stat.S_IMODE(state.stat().st_mode) == 0o750
    assert configuration.read_text() == written
    assert {link.name for link in links.glob("*.wants/hening*")} == {"hening.service"}

    # 3. Removed: stopped first; state and configuration stay.
    run("dpkg --remove hening")
    assert asked() == ["stop hening.socket hening.service hening-keys.service hening-cloud.service"]
    assert not [program for program in programs if program.is_symlink()]
    assert listing(state) == kept
    assert configuration.read_text() == written

    # 4. Purged: configuration is removed, the state stays and is named, no other file is left.
    told = run("dpkg --purge hening")
    assert "/var/lib/hening stays" in told
    assert "/var/lib/hening-keys stays" not in told
    assert listing(state) == kept
    assert not configuration.parent.exists()
    assert list(links.rglob("hening*")) == []
    for place, paths in before.items():
        assert set((folder / place).rglob("*")) - paths == set()
    assert run("stat --format %U /var/lib/hening") == "hening\n"


def steps(file):
    """Return the instructions of a Containerfile, each with its arguments."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^#.*\n", "", file.read_text()))
    return [line.split(" ", 1) for line in text.splitlines() if line]


def test_steps_of_containerfile(debian, dist):
    """Its lines install the package with its dependencies, and its command serves phones."""
    folder, run = debian
    made = dict(steps(CONTAINERFILE))
    for instruction, argument in steps(CONTAINERFILE):
        match instruction:
            case "COPY":
                pattern, target = argument.split()
                for file in dist[0].glob(pattern.removeprefix("dist/")):
                    shutil.copy(file, folder / target.strip("/"))
            case "RUN":
                run(argument, network=True)
    assert list((folder / "tmp").iterdir()) == []
    assert made["USER"] == "hening"
    assert run("stat --format %U /var/lib/hening/state") == "hening\n"
    run(as_hening(CEREMONY))
    command = [*json.loads(made["ENTRYPOINT"]), *json.loads(made["CMD"])]
    lines = f"cd {made['WORKDIR']} && exec runuser -u hening -- env HENING_PORT=0 "
    with (
        running(enter(folder, "root", "sh", "-ec", lines + " ".join(command))) as address,
        urllib.request.urlopen(f"{address}/metadata/timestamp.json") as answer,
    ):
        assert json.load(answer)["signed"]["_type"] == "timestamp"


@contextlib.contextmanager
def running(command):
    """Run a server until the block ends, and yield its address after its first publication."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if '"published"' in line:
                    break
            addresses = [line.strip() for line in lines if line.startswith("http://")]
            assert len(addresses) == 1, lines
            yield addresses[0]
        finally:
            process.kill()
