"""`cloud account` as an operator runs it."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from server.cli import cli
from server.cloud.errors import CloudError
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.models import Account
from server.storage.database import open_database

ID = "A" * 22


@pytest.fixture
def folder(tmp_path):
    """Give a cloud with one account."""
    root = tmp_path / "cloud"
    words = ["--folder", str(root), "--pepper", str(tmp_path / "pepper"), "--region", "id"]
    assert CliRunner().invoke(cli, ["cloud", "init", *words]).exit_code == 0
    sealed = dict.fromkeys(("name", "salt", "login_key", "wrap"), b"sealed")
    row = Account(
        id=ID,
        name_hash=bytes(32),
        public_key=bytes(32),
        changes=0,
        quota=10**9,
        used=123_456,
        created_at=7 * 86_400,
        used_week=2956,
        consent_version=3,
        **sealed,
    )

    async def add():
        async with (
            open_database(root / "cloud.sqlite", migrations=MIGRATIONS) as database,
            database.begin() as db,
        ):
            db.add(row)

    asyncio.run(add())
    return root


def run(folder, *words):
    """Run a command on the folder."""
    return CliRunner().invoke(cli, ["cloud", "account", *words, "--folder", str(folder)])


def test_accounts_are_shown_and_suspended(folder):
    """In a table of 80 columns, or as JSON."""
    listed = run(folder, "list")
    assert listed.output.splitlines()[-1].split()[:5] == [ID, "123", "kB", "2026-08-27", "3"]
    assert max(map(len, listed.output.splitlines())) <= 80
    assert run(folder, "suspend", ID).output == f"The account {ID} is suspended.\n"
    shown = json.loads(run(folder, "show", ID, "--json").output)
    assert json.loads(run(folder, "list", "--json").output) == [shown]
    assert (shown["id"], shown["bytes"], shown["suspended"]) == (ID, 123_456, True)
    assert (shown["created_week"], shown["used_week"], shown["policy"]) == (1, 2956, 3)
    assert "2026-08-27" in run(folder, "show", ID).output
    assert "suspended" in run(folder, "list").output
    assert "served again" in run(folder, "suspend", ID, "--lift").output
    assert json.loads(run(folder, "show", ID, "--json").output)["suspended"] is False
    with pytest.raises(CloudError, match="there is no account B"):
        raise run(folder, "show", "B").exception
