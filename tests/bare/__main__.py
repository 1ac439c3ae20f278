"""Runs the README's two commands on a bare machine: `make bare`, also the first step of `.ci/run`.

A minimal Debian (root.py) is isolated from this machine. In it an unprivileged user and root clone
the committed state under a path with a space, and run the commands with LANG=C and an otherwise
empty environment. Both run at the same time, each in a Debian of its own: packages that `make test`
installs as root must not help the user. The output is in var/bare/USER.log.
"""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tests.bare.root import (
    CACHE,
    ENVIRONMENT_FAILED,
    NEWCOMER,
    REPOSITORY,
    RootError,
    archive,
    become_root,
    enter,
    make,
    remove,
)

BUNDLE = "/srv/hening.bundle"
CLONE = "first hour/hening"
#: Tests that depend on the Python version, formats, parsers and stores. Debian's Python is newer
#: than that of most machines. Stores need PostgreSQL and S3, which only root can install.
TESTS = {
    NEWCOMER: "tests/signer/ota tests/client_sim/device",
    "root": "tests/server/core tests/server/storage",
}
#: Lines of a log that show why a command failed.
LAST_LINES = 60


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the README, and the user who runs it."""

    user: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        """Return the step as a readable line."""
        return f"{self.user}: {' '.join(self.command)}"


def plan(*, is_whole: bool) -> dict[str, list[Step]]:
    """Return each user's steps, in order.

    Root's run shows that `make test` installs the programs that its tests need. All tests take half
    an hour, so they run only by request.
    """
    demo, test = ("make", "demo"), ("make", "test")
    if is_whole:
        commands = {NEWCOMER: [demo, test], "root": [demo, test]}
    else:
        some = {user: (*test, f"TESTS={those}") for user, those in TESTS.items()}
        commands = {NEWCOMER: [demo, some[NEWCOMER]], "root": [some["root"]]}
    return {user: [Step(user, each) for each in those] for user, those in commands.items()}


def prove(user: str, steps: list[Step], *, is_kept: bool) -> bool:
    """Run one user's steps in a fresh root until one fails; returns whether all passed."""
    folder, log = CACHE / user, CACHE / f"{user}.log"
    if folder.exists():
        remove(folder)
    try:
        make(folder)
        bundle = ["git", "bundle", "create", "--quiet", f"{folder}{BUNDLE}", "HEAD"]
        subprocess.run(bundle, cwd=REPOSITORY, check=True)
        clone = Step(user, ("git", "clone", "--quiet", BUNDLE, CLONE))
        with log.open("wb") as output:
            return all(
                _run(folder, step, "." if step is clone else CLONE, output, log)
                for step in (clone, *steps)
            )
    finally:
        if folder.exists() and not is_kept:
            remove(folder)


def _run(folder: Path, step: Step, place: str, output: BinaryIO, log: Path) -> bool:
    started = time.monotonic()
    done = subprocess.run(
        enter(folder, step.user, "sh", "-c", 'cd "$0" && exec "$@"', place, *step.command),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        check=False,
    )
    if done.returncode:
        last = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        _say("\n".join([f"{step}: status {done.returncode}; see {log}", *last]))
    else:
        _say(f"{step}: done in {time.monotonic() - started:.0f} s")
    return done.returncode == 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run the steps of both users; returns 0, 1 if a command failed, or 3."""
    parser = argparse.ArgumentParser(prog="tests.bare", description=__doc__)
    parser.add_argument("--whole", action="store_true", help="all tests: half an hour")
    parser.add_argument("--keep", action="store_true", help="leave the roots in var/bare/USER")
    options = parser.parse_args(arguments)
    archive()
    become_root(["tests.bare", *arguments])
    lanes = plan(is_whole=options.whole)
    with ThreadPoolExecutor(len(lanes)) as pool:
        passed = list(pool.map(lambda user: prove(user, lanes[user], is_kept=options.keep), lanes))
    return 0 if all(passed) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RootError as error:
        sys.stderr.write(f"bare: {error}\n")
        sys.exit(ENVIRONMENT_FAILED)
