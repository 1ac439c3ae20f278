"""Finds the commit of a checkout. It also runs during a wheel build, so it needs only Python."""

import subprocess
from pathlib import Path


def ask_git(checkout: Path) -> str:
    """Return the full commit, with `-dirty` if tracked files differ; empty without git."""
    if not (checkout / ".git").exists():
        return ""  # do not search upwards: an environment's folder may lie in another checkout
    command = ("git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40")
    try:
        # Tags are excluded, because the package version already names the release.
        asked = subprocess.run(  # noqa: S603
            [*command, "--exclude=*"], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""  # git is not installed
    return asked.stdout.strip() if asked.returncode == 0 else ""
