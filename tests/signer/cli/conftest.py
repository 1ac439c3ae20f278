import json
import os
import shutil

import pytest

from signer.cli import main
from signer.cli.runtime import Runtime


@pytest.fixture
def run(capsys, now, passphrase):
    """Return a function that runs a command and returns exit status, output and errors."""

    def command(*arguments, environment=None, entropy=os.urandom, at=now, monotonic=float):
        if environment is None:
            environment = {b"HENING_SIGNER_PASSPHRASE": passphrase}
        status = main(
            [str(each) for each in arguments], Runtime(at, entropy, environment, monotonic)
        )
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return command


@pytest.fixture
def run_json(run):
    """Return a function that runs a command with `--json` and returns the value it prints."""

    def command(*arguments):
        status, output, errors = run(*arguments, "--json")
        assert (status, errors) == (0, "")
        assert output.count("\n") == 1
        return json.loads(output)

    return command


@pytest.fixture
def sign_arguments(repo, keys, incoming):
    """Return the arguments of `release sign` without packages and certificate."""
    return (
        *("release", "sign", "--repo", repo, "--keys", keys, "--out", incoming),
        *("--region", "id", "--channel", "stable"),
    )


@pytest.fixture(scope="session")
def forked(programs):
    """Return the words that run a script in a process that has imported everything."""
    return [*programs.command("python"), "-c"]


@pytest.fixture
def destination(repo, keys, incoming):
    """Return the options that sign and submit a change."""
    return ("--repo", repo, "--keys", keys, "--out", incoming)


@pytest.fixture
def holders(holder_folders, tmp_path):
    """Copy the key folders of alice and bob for one test."""
    for holder in ("alice", "bob"):
        shutil.copytree(holder_folders[holder], tmp_path / holder)
    return tmp_path
