"""The plan of commands that a bare machine runs, and the first step of continuous integration."""

from pathlib import Path

from tests.bare.__main__ import plan
from tests.bare.root import NEWCOMER, enter

ROOT = Path(__file__).parents[2]


def said(*, is_whole):
    """Return each user's commands."""
    steps = plan(is_whole=is_whole)
    return {user: [" ".join(step.command) for step in those] for user, those in steps.items()}


def test_commands_of_user_and_root():
    """The user's demo comes first, so it must work with the packages that it installs itself."""
    assert said(is_whole=False) == {
        NEWCOMER: ["make demo", "make test TESTS=tests/signer/ota tests/client_sim/device"],
        "root": ["make test TESTS=tests/server/core tests/server/storage"],
    }


def test_commands_of_whole_run():
    """With --whole both users run the README's commands without options."""
    both = ["make demo", "make test"]
    assert said(is_whole=True) == {NEWCOMER: both, "root": both}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [f"$ {command}\n" in readme for command in both] == [True, True]


def test_isolation_of_commands():
    """Commands get their own namespaces and die with their parent; no mount is left."""
    command = enter(Path("/srv/bare"), "root", "true")
    assert command[:3] == ["setpriv", "--pdeathsig", "KILL"]
    assert {"--mount", "--pid", "--uts", "--ipc", "--kill-child=KILL"} <= set(command)
    assert command[-3:] == ["/srv/bare", "root", "true"]


def test_ci_begins_with_bare_machine():
    """`.ci/run` waits for the bare machine before the tests, and a failure ends the run."""
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in script if line and not line.startswith(("#", "export", "cd "))]
    assert commands[:2] == ["set -euo pipefail", "make bare & bare=$!"]
    assert commands.index('wait "$bare"') < commands.index("make test")
