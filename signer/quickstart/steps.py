"""The steps of a quickstart: each runs a program, and is skipped if it was done before.

They are those of the tutorial's first three chapters, with one person in every role. Programs run
as a person would run them, with the passphrase over a pipe.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from signer.durable import write_once
from signer.errors import CeremonyError, EnvironmentFailedError
from signer.quickstart.layout import Layout
from signer.quickstart.texts import describe_places, describe_policy
from signer.work_folder import WorkFolder

THRESHOLDS = {"root": 1, "targets": 1, "tables": 1, "content": 1}
"""Signatures for each role but the model's, which needs one by default."""


Words = tuple[str | Path, ...]
_FAILED = 3  # the exit status of all programs when the environment failed


class Run(Protocol):
    """Runs a program to its end, and passes it the passphrase if it signs."""

    def __call__(self, program: str, *words: str | Path, signs: bool = False) -> None:
        """Raise SignerError if the program fails."""


def make_all(layout: Layout, log_origin: str | None, run: Run, say: Callable[[str], None]) -> None:
    """Make everything that is missing; `say` is called with each next step."""
    say("Making the server's online keys.")
    origin = () if log_origin is None else ("--log-origin", log_origin)
    run("hening-server", "init", "--state", layout.server, *origin)
    say("Making your keys.")
    _make_keys(layout.keys, layout.key_names, run)
    _make_keys(layout.second, ("root-2",), run)
    run("hening-signer", "keys", "import", "--keys", layout.keys, layout.second / "root-2.pub")
    proposal = layout.unfinished / "first.json"
    signatures = {
        layout.unfinished / "first.sig": layout.keys,
        layout.unfinished / "second.sig": layout.second,
    }
    ceremony = ("hening-signer", "ceremony")
    repo: Words = ("--repo", layout.repo)
    if not WorkFolder(layout.repo).exists():
        say("Signing the first root, with both root keys, and an empty role for the model.")
        if not proposal.exists():
            thresholds = [f"--threshold={role}={number}" for role, number in THRESHOLDS.items()]
            roles = ("--model", layout.model, *thresholds)
            online = layout.server / "keys" / "public.json"
            words: Words = (*roles, *repo, "--keys", layout.keys, "--online", online)
            run(*ceremony, "init", *words, "--propose", proposal)
        for signature, keys in signatures.items():
            if not signature.exists():
                words = (proposal, "--keys", keys, "--out", signature, "--yes")
                run(*ceremony, "sign", *words, signs=True)
        run(*ceremony, "accept", proposal, *signatures, *repo)
    say("Handing them to the server, which trusts this root from now on.")
    run(*ceremony, "submit", proposal, *repo, "--out", layout.server / "incoming")
    root = layout.repo / "metadata" / "1.root.json"
    run("hening-server", "init", "--state", layout.server, "--root", root)
    policy = layout.repo / "policy.toml"
    if not policy.exists():
        write_once(policy, describe_policy())
    write_once(layout.settings, describe_places(layout))
    layout.record.unlink()  # first, so that a crash leaves nothing that seems unfinished
    shutil.rmtree(layout.unfinished)


def _make_keys(folder: Path, names: tuple[str, ...], run: Run) -> None:
    """Make those keys of a folder that are not complete."""
    if missing := [name for name in names if not (folder / f"{name}.pub").exists()]:
        run("hening-signer", "keys", "new", "--keys", folder, *missing, signs=True)


class Programs:
    """Runs programs; those that sign read `passphrase` from a pipe, and no others receive it."""

    def __init__(self, passphrase: bytes) -> None:
        self._passphrase = passphrase

    def __call__(self, program: str, *words: str | Path, signs: bool = False) -> None:
        """Run `program` to its end.

        Raises EnvironmentFailedError or CeremonyError with its message.
        """
        command = [find_program(program), *map(str, words)]
        if not signs:
            _check(program, words, _run(command))
            return
        reader, writer = os.pipe()
        try:
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(self._passphrase)  # it fits: a pipe holds 64 KiB
            command += ["--passphrase-fd", str(reader)]
            _check(program, words, _run(command, reader))
        finally:
            os.close(reader)


def find_program(name: str) -> str:
    """Return the path of a program of this project: beside this one, or on the PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise EnvironmentFailedError(f"{name} is not installed beside hening-signer; install it.")
    return found


def _run(command: list[str], *descriptors: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own programs
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        pass_fds=descriptors,
    )


def _check(
    program: str, words: tuple[str | Path, ...], done: subprocess.CompletedProcess[str]
) -> None:
    if done.returncode == 0:
        return
    said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    kind = EnvironmentFailedError if done.returncode == _FAILED else CeremonyError
    named = [word for word in words[:2] if isinstance(word, str) and not word.startswith("-")]
    raise kind(f"`{' '.join([program, *named])}` failed: {said.removeprefix(f'{program}: ')}")
