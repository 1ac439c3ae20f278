"""The steps of a quickstart: each runs a program, and is skipped if it was done before.

They are the steps of the tutorial's first three chapters, done by one person. The programs run as
that person would run them, with the passphrase over a pipe.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from signer.durable import write_once
from signer.errors import CeremonyError, EnvironmentFailedError
from signer.quickstart.layout import Layout
from signer.release.policy import TeamPolicy
from signer.work_folder import WorkFolder

THRESHOLDS = {"root": 1, "targets": 1, "tables": 1, "content": 1}
"""Signatures for each role except the model's, which needs one by default."""


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
    say("Submitting them to the server, which trusts this root from now on.")
    run(*ceremony, "submit", proposal, *repo, "--out", layout.server / "incoming")
    root = layout.repo / "metadata" / "1.root.json"
    run("hening-server", "init", "--state", layout.server, "--root", root)
    policy = layout.repo / "policy.toml"
    if not policy.exists():
        write_once(policy, _describe_policy())
    write_once(layout.settings, _describe_places(layout))
    layout.record.unlink()  # first, so that a crash leaves nothing that seems unfinished
    shutil.rmtree(layout.unfinished)


def _make_keys(folder: Path, names: tuple[str, ...], run: Run) -> None:
    """Make the keys of a folder that are missing or incomplete."""
    if missing := [name for name in names if not (folder / f"{name}.pub").exists()]:
        run("hening-signer", "keys", "new", "--keys", folder, *missing, signs=True)


def make_runner(passphrase: bytes) -> Run:
    """Return a function that runs programs; those that sign read `passphrase` from a pipe.

    It raises EnvironmentFailedError or CeremonyError with the program's message.
    """

    def run(program: str, *words: str | Path, signs: bool = False) -> None:
        command = [find_program(program), *map(str, words)]
        if not signs:
            _check(program, words, _run(command))
            return
        reader, writer = os.pipe()
        try:
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(passphrase)  # it fits: a pipe holds 64 KiB
            command += ["--passphrase-fd", str(reader)]
            _check(program, words, _run(command, reader))
        finally:
            os.close(reader)

    return run


def find_program(name: str) -> str:
    """Return the path of a program of this project: next to this one, or on the PATH."""
    sibling = Path(sys.executable).with_name(name)
    found = str(sibling) if sibling.is_file() else shutil.which(name)
    if found is None:
        raise EnvironmentFailedError(f"{name} is not installed with hening-signer; install it.")
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
    program: str, words: tuple[str | Path, ...], result: subprocess.CompletedProcess[str]
) -> None:
    if result.returncode == 0:
        return
    reason = (result.stderr.strip().splitlines() or ["it said nothing"])[-1]
    kind = EnvironmentFailedError if result.returncode == _FAILED else CeremonyError
    command = [word for word in words[:2] if isinstance(word, str) and not word.startswith("-")]
    raise kind(f"`{' '.join([program, *command])}` failed: {reason.removeprefix(f'{program}: ')}")


def _describe_places(layout: Layout) -> bytes:
    """Return `hening.toml`."""
    folders = {"state": layout.server, "repo": layout.repo, "keys": layout.keys}
    lines = [
        "# Commands that run here or below need no --state, --repo, --keys and --out.",
        *(f'{name} = "{folder.name}"' for name, folder in folders.items()),
    ]
    return "\n".join([*lines, ""]).encode()


def _describe_policy() -> bytes:
    """Return `policy.toml`: each key with its meaning; only `require_proof` is not the default."""
    default = TeamPolicy()
    return f"""\
# Rules for every release. Each line may be changed or left out.

# Locales that every changelog must have, such as ["en", "id"].
required_locales = []
# How many builds of each channel `hening-signer release prune` keeps.
keep_builds = {default.keep_builds}
# For how many days a package is served after `release withdraw --drain`.
drain_days = {default.drain_days}
# Whether each package needs a report of `hening-device prove`, given with --proof.
require_proof = true

# Fingerprints of builds that phones left the factory with: incrementals may start from them.
# [factory_builds]
# armani = ["Brand/armani/armani:14/ID/1.0.0:user/release-keys"]
""".encode()


def describe_result(layout: Layout, *, one_disk: bool) -> Iterator[str]:
    """Yield the lines of the final message: the folders, their meaning, and the next commands.

    `one_disk` is true if both root keys are on the same file system.
    """
    out = layout.out
    folders = {
        layout.keys: "your keys, encrypted with your passphrase",
        layout.repo: "your signed metadata, and your rules in policy.toml",
        layout.server: "the server's state, with the server's own signing keys",
    }
    move = (
        "It is on the same disk now: move it to another" if one_disk else "Keep it on another disk"
    )
    width = max(len(str(folder)) for folder in folders)
    yield f"{out} is ready to sign releases for {layout.model}."
    yield ""
    for folder, purpose in folders.items():
        yield f"  {folder!s:<{width}}  {purpose}"
    yield f"  {layout.second}"
    yield f"  {'':<{width}}  the second root key, encrypted with the same passphrase"
    yield f"""
One signature is enough for every role. So a thief of a key file and your
passphrase can sign releases that your phones install. The passphrase is stored
nowhere: if you forget it, no phone takes an update from you again.

If this disk is lost, the second root key can replace all other keys with new
ones. {move}, such as a memory
stick in a drawer.

Before others use your server, run it as a user who cannot read your keys. What
you signed is valid for 90 days, and root for a year: `hening-signer ceremony
expiry` lists what has to be renewed.

To require two signatures later, get the public keys of a second person, and
propose this in {out}; both of you sign it:
"""
    yield from (f"  {line}" for line in describe_raise(layout.model))
    yield f"""
Next, with `hening-server run` in a terminal of its own. CERTIFICATE.pem is the
certificate of the key that your build signs its OTA zips with:

  cd {shlex.quote(str(out))}
  hening-server run
  hening-device prove --certificate CERTIFICATE.pem YOUR-OTA.zip
  hening-signer release sign --region id --channel stable \\
      --changelog en='What is new.' --certificate CERTIFICATE.pem \\
      --proof YOUR-OTA.proof.json YOUR-OTA.zip
  hening-server rollout offer {layout.model}/id/stable --share 100%"""


def describe_raise(model: str) -> tuple[str, ...]:
    """Return the command lines that require two signatures, one of them of a second person."""
    roles = ("targets", "tables", model)
    return (
        f"hening-signer keys import root-3.pub {' '.join(f'{role}-2.pub' for role in roles)}",
        "hening-signer ceremony holders --propose two.json --add root-3 \\",
        f"    {' '.join(f'--add {role}-2' for role in roles)} \\",
        "    --threshold root=2 --threshold targets=2 --threshold tables=2 \\",
        f"    --threshold {model}=2",
    )
