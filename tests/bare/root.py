"""A minimal Debian in a folder, isolated from the machine, and commands that run in it.

    python3 -S -m tests.bare.root make DIR          # 2 minutes, and seconds from the cache
    python3 -S -m tests.bare.root run DIR USER COMMAND…
    python3 -S -m tests.bare.root remove DIR

USER is `root` or `newcomer`. The root has Debian's required packages and PACKAGES. It gets the
sources of packages from the machine (apt's sources and settings, pip's and npm's settings,
certificates). Its network is the machine's; /proc and /dev (with terminals) are its own.

It needs Debian, mmdebstrap, and root or a user with namespaces and subordinate ids; without these
RootError says so, and the status is 3. Only the standard library is used, because this runs before
there is an environment.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bare.machine import (
    FILES,
    keep_apt_settings,
    keep_pip_settings,
    keep_sources,
    write_pip_settings,
)

REPOSITORY = Path(__file__).parents[2]
CACHE = REPOSITORY / "var" / "bare"
PACKAGES = ("python3", "python3-venv", "make", "git")
NEWCOMER = "newcomer"
HOME = Path("/home", NEWCOMER)
PASSWD = f"{NEWCOMER}:x:1000:1000::{HOME}:/bin/bash\n"
NAMESPACES = ("--mount", "--pid", "--fork", "--uts", "--ipc", "--kill-child=KILL")
APT = Path("/etc/apt")
AUTH = APT / "auth.conf.d"
CERTIFICATES = Path("/usr/local/share/ca-certificates")
ENVIRONMENT_FAILED = 3


class RootError(Exception):
    """A root could not be made or entered; the message says what to do."""


def become_root(arguments: list[str]) -> None:
    """Restart this program as root of a user namespace, unless it runs as root already.

    Raises RootError if the machine allows namespaces neither to root nor to the user.
    """
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user", "--map-auto")
    tried = subprocess.run(
        ["unshare", *user, *NAMESPACES, "true"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        raise RootError(
            f"This machine lets no bare root be entered ({tried.stderr.strip()}). Run this as root"
            " in a container that may mount, or as a user who has namespaces and a line in"
            " /etc/subuid and /etc/subgid."
        )
    if user:
        os.execvp("unshare", ["unshare", *user, sys.executable, "-S", "-m", *arguments])


def archive() -> Path:
    """Return the root as an archive, cached by suite, package list and sources.

    A user without root calls this before `become_root`: mmdebstrap makes namespaces itself.
    """
    if not shutil.which("mmdebstrap"):
        raise RootError("mmdebstrap is not installed; `make system` installs it on Debian as root.")
    release = Path("/etc/os-release").read_text()
    suite = next(
        line.partition("=")[2] for line in release.splitlines() if "VERSION_CODENAME=" in line
    )
    files = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]
    sources = keep_sources("\n\n".join(file.read_text() for file in files if file.is_file()))
    settings = keep_apt_settings(_call(["apt-config", "dump"]))
    key = hashlib.sha256(repr((suite, PACKAGES, sources, settings)).encode()).hexdigest()[:16]
    packed = CACHE / f"{suite}-{key}.tar"
    if packed.exists():
        return packed
    sys.stderr.write("A minimal Debian root is made: a minute or two.\n")
    CACHE.mkdir(parents=True, exist_ok=True)
    for older in CACHE.glob("*.tar"):
        older.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "sources").write_text(sources)
        _call([
            "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}",
            "--dpkgopt=force-unsafe-io", # a power failure costs only the cache
            *(f"--aptopt={line}" for line in settings),
            *(['--setup-hook=cp -a /etc/apt/auth.conf.d "$1/etc/apt/"'] if AUTH.is_dir() else []),
            suite, f"{packed}.new.tar", f"{scratch}/sources",
        ])  # fmt: skip
    Path(f"{packed}.new.tar").replace(packed)
    return packed


def make(folder: Path) -> None:
    """Make a new root in `folder`, which must not exist; raises RootError on failure."""
    if folder.exists():
        raise RootError(f"{folder} exists; remove it first.")
    packed = archive()
    folder.mkdir(parents=True)
    # The root gets its own /dev, and a user namespace allows no device nodes.
    unpack = ["tar", "--numeric-owner", "--exclude=./dev/*", "-xpf", str(packed)]
    _call([*unpack, "-C", str(folder)])
    etc = folder / "etc"
    for file, line in (("passwd", PASSWD), ("group", f"{NEWCOMER}:x:1000:\n")):
        with (etc / file).open("a") as text:
            text.write(line)
    home = folder / HOME.relative_to("/")
    home.mkdir()
    os.chown(home, 1000, 1000)
    (etc / "hosts").write_text("127.0.0.1 localhost bare\n::1 localhost\n")
    shutil.copyfile("/etc/resolv.conf", etc / "resolv.conf")
    _bring_settings(folder)


def enter(folder: Path, user: str, *command: str) -> list[str]:
    """Return the command line that runs `command` in the root, for subprocess.

    The command and its mounts end with the process that starts it. The environment is empty except
    for LANG=C, HOME and PATH.
    """
    script = str(Path(__file__).with_name("enter.sh"))
    inside = ["sh", script, str(folder.resolve()), user, *command]
    return ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, *inside]


def remove(folder: Path) -> None:
    """Remove a root, in which nothing is mounted."""
    shutil.rmtree(folder)


def _bring_settings(folder: Path) -> None:
    """Write files that let the root reach the registries that the machine reaches.

    The environment in the root is empty, as a new user's is, so it cannot contain these settings.
    """
    config = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    files = [
        Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), Path.home() / ".pip" / "pip.conf",
        config / "pip" / "pip.conf", Path(os.environ.get("PIP_CONFIG_FILE", "/nonexistent")),
    ]  # fmt: skip
    settings = keep_pip_settings((file.read_text() for file in files if file.is_file()), os.environ)
    (folder / "etc" / "pip.conf").write_text(write_pip_settings(settings))
    npm = Path("/etc/npmrc")
    if npm.is_file():
        shutil.copyfile(npm, folder / "etc" / "npmrc")
    if CERTIFICATES.is_dir():
        shutil.copytree(CERTIFICATES, folder / CERTIFICATES.relative_to("/"), dirs_exist_ok=True)
    _call(enter(folder, "root", "update-ca-certificates"))
    for name in FILES:
        if name in settings:
            copy = folder / Path(settings[name]).relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(settings[name], copy)


def _call(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RootError(f"{command[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def main(arguments: list[str]) -> int:
    """Make, enter or remove a root; returns the command's status, or its own 2 or 3."""
    match arguments:
        case ["make", folder]:
            archive()
            become_root(["tests.bare.root", *arguments])
            make(Path(folder))
        case ["remove" | "run", folder, *_] if not Path(folder).is_dir():
            raise RootError(f"{folder} holds no root; make one there first.")
        case ["remove", folder]:
            become_root(["tests.bare.root", *arguments])
            remove(Path(folder))
        case ["run", folder, user, *command] if command:
            become_root(["tests.bare.root", *arguments])
            return subprocess.run(enter(Path(folder), user, *command), check=False).returncode
        case _:
            sys.stderr.write(str(__doc__))
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RootError as error:
        sys.stderr.write(f"bare: {error}\n")
        sys.exit(ENVIRONMENT_FAILED)
