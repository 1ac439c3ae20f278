"""`cloud init`, `run`, `policy`, `account`, `code` and `breach` as an operator runs them."""

import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.request

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select

from server.cli import cli
from server.cloud.accounts.owners import NewOwner, add_owner
from server.cloud.errors import CloudError
from server.cloud.pepper.file import decode_escrow, load_pepper
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.law_models import Breach, Code, Erasure
from server.cloud.storage.models import Account, Site
from server.core.note import verify_note
from server.storage.database import open_database
from tests.server.cloud.policies import KEY, TEXT, make_policy, sign


def test_init_and_run(programs, tmp_path):
    """`init` prints the pepper once and stores it in no file; `run` prints the address."""
    folder, pepper = tmp_path / "cloud", tmp_path / "pepper"
    made = CliRunner().invoke(
        cli,
        ["cloud", "init", "--folder", str(folder), "--pepper", str(pepper), "--region", "id"],
    )
    assert made.exit_code == 0, made.output
    digits = pepper.read_text().split()[1]
    lines = [line for line in made.output.splitlines() if line.startswith("  ")]
    assert decode_escrow(lines) == load_pepper(pepper, os.geteuid())
    words = ["cloud", "run", "--folder", folder, "--pepper", pepper, "--port", "0"]
    with (
        (tmp_path / "log").open("wb") as log,
        programs.start("hening-server", *words, output=log) as process,
    ):
        try:
            url = process.stdout.readline().strip()
            with urllib.request.urlopen(f"{url}/api/v1/authentication/is_etebase/") as answer:
                assert answer.status == 200
        finally:
            process.terminate()
        assert process.wait(60) == 0
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert folder / "cloud.sqlite" in files
    assert not any(bytes.fromhex(digits) in path.read_bytes() for path in files)
    assert not any(digits.encode() in path.read_bytes() for path in files)


def test_run_needs_a_pepper(tmp_path, monkeypatch):
    """Without a pepper, `run` fails and says where the pepper may come from."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    folder = tmp_path / "cloud"
    words = ["--folder", str(folder), "--pepper", str(tmp_path / "pepper"), "--region", "id"]
    assert CliRunner().invoke(cli, ["cloud", "init", *words]).exit_code == 0
    ran = CliRunner().invoke(cli, ["cloud", "run", "--folder", str(folder)])
    assert ran.exit_code == 2
    assert "give the pepper's file with --pepper" in ran.output
    assert [path.name for path in folder.iterdir()] == ["cloud.toml"]


def test_restore_needs_the_former_bodies(tmp_path):
    """A database without its bodies is refused, because erased data could return unnoticed."""
    for name in ("former", "new"):
        words = ["--folder", str(tmp_path / name), "--pepper", str(tmp_path / f"{name}.pepper")]
        made = CliRunner().invoke(cli, ["cloud", "init", *words, "--region", "id"])
        assert made.exit_code == 0, made.output
    words = ["--from", tmp_path / "backup", "--folder", tmp_path / "new"]
    words = [*map(str, words), "--former", str(tmp_path / "former")]
    ran = CliRunner().invoke(cli, ["cloud", "restore", *words])
    assert "former/bodies does not exist" in str(ran.exception)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["cloud.toml"]


def test_other_services_do_not_import_the_cloud():
    """Without `cloud init` the other services are unchanged."""
    code = "import sys, server.cli.state, server.full_node"
    code += "; sys.exit(any('server.cloud' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


ID = "A" * 22


@pytest.fixture
def folder(tmp_path):
    """Return a cloud with one account."""
    root = tmp_path / "cloud"
    words = ["--folder", str(root), "--pepper", str(tmp_path / "pepper"), "--region", "id"]
    assert CliRunner().invoke(cli, ["cloud", "init", *words]).exit_code == 0
    sealed = dict.fromkeys(("name", "salt", "login_key", "wrap"), b"sealed")
    used = {"quota": 10**9, "used": 123_456, "used_week": 2956, "changes": 0}
    known = {"created_at": 7 * 86_400, "consent_version": 3}
    keys = {"name_hash": bytes(32), "public_key": bytes(32)}
    row = Account(id=ID, **keys, **known, **used, **sealed)

    async def add():
        async with (
            open_database(root / "cloud.sqlite", migrations=MIGRATIONS) as database,
            database.begin() as db,
        ):
            db.add(row)

    asyncio.run(add())
    return root


def account(folder, *words):
    """Run a command on the folder's accounts."""
    return CliRunner().invoke(cli, ["cloud", "account", *words, "--folder", str(folder)])


def test_account_list_and_suspend(folder):
    """Accounts are shown in a table of 80 columns, or as JSON."""
    listed = account(folder, "list")
    assert listed.output.splitlines()[-1].split()[:5] == [ID, "123", "kB", "2026-08-27", "3"]
    assert max(map(len, listed.output.splitlines())) <= 80
    assert account(folder, "suspend", ID).output == f"The account {ID} is suspended.\n"
    shown = json.loads(account(folder, "show", ID, "--json").output)
    assert json.loads(account(folder, "list", "--json").output) == [shown]
    assert (shown["id"], shown["bytes"], shown["suspended"]) == (ID, 123_456, True)
    assert (shown["created_week"], shown["used_week"], shown["policy"]) == (1, 2956, 3)
    assert "2026-08-27" in account(folder, "show", ID).output
    assert "suspended" in account(folder, "list").output
    assert "served again" in account(folder, "suspend", ID, "--lift").output
    assert json.loads(account(folder, "show", ID, "--json").output)["suspended"] is False
    with pytest.raises(CloudError, match="there is no account B"):
        raise account(folder, "show", "B").exception


@pytest.fixture
def place(tmp_path):
    """Write the files of a cloud and its pepper; return the options that name them."""
    (tmp_path / "en.md").write_bytes(TEXT)
    for version in (1, 2, 3):
        starts = 0 if version < 3 else 4_000_000_000
        policy = make_policy(version=version, **{"from": starts})
        (tmp_path / f"{version}.policy").write_bytes(sign(policy))
    return "--folder", tmp_path / "cloud", "--pepper", tmp_path / "pepper"


@pytest.fixture
def made(run, place, tmp_path):
    """Make a cloud with its first policy; return the same options."""
    words = ("--policy", tmp_path / "1.policy", "--policy-key", KEY)
    words += ("--text", f"en={tmp_path / 'en.md'}")
    status, _, errors = run("cloud", "init", *place, "--region", "br", *words)
    assert (status, "the policy is for id" in errors) == (1, True)
    assert run("cloud", "init", *place, "--region", "id", *words)[0] == 0
    return place


def rows(tmp_path, table):
    """Return the rows of a table."""

    async def read():
        file = tmp_path / "cloud" / "cloud.sqlite"
        async with open_database(file, migrations=MIGRATIONS) as database, database() as db:
            return (await db.scalars(select(table))).all()

    return asyncio.run(read())


def test_policies_are_accepted_in_order(run, made, tmp_path):
    """Policies are accepted in order, each once and with its text."""
    place, text = made, f"en={tmp_path / 'en.md'}"
    assert 'country = "ID"' in (tmp_path / "cloud" / "cloud.toml").read_text()
    accept = ("cloud", "policy", "accept")
    status, _, errors = run(*accept, tmp_path / "2.policy", *place)
    assert (status, "give --text LOCALE=FILE" in errors) == (1, True)
    assert run(*accept, tmp_path / "3.policy", *place, "--text", text)[0] == 0
    status, _, errors = run(*accept, tmp_path / "2.policy", *place, "--text", text)
    assert (status, "not above 3" in errors) == (1, True)
    forged = tmp_path / "forged.policy"
    forged.write_bytes(sign(make_policy(version=9)).replace(b'"version":9', b'"version":8'))
    assert run(*accept, forged, *place, "--text", text)[0] == 1
    status, output, _ = run("cloud", "policy", "list", *place[:2], "--json")
    listed = [(each["version"], each["holds"]) for each in json.loads(output)["policies"]]
    assert listed == [(1, True), (3, False)]


def test_policy_of_another_country_is_refused(run, place, tmp_path):
    """A policy of another country than that of the stored data is refused."""
    text = f"en={tmp_path / 'en.md'}"
    key = ("--policy-key", KEY, "--country", "SG")
    assert run("cloud", "init", *place, "--region", "id", *key)[0] == 0
    words = ("cloud", "policy", "accept", tmp_path / "1.policy", *place, "--text", text)
    status, _, errors = run(*words)
    assert (status, "may live only in ID" in errors) == (1, True)


def test_account_erase(run, made, tmp_path):
    """`account erase` erases as the owner would; an unknown id is refused."""
    secrets = load_pepper(tmp_path / "pepper", os.geteuid()).secrets("id", os.urandom)

    async def add():
        owner = NewOwner("ani", "", bytes(32), bytes(32), bytes(104), bytes(32))
        file = tmp_path / "cloud" / "cloud.sqlite"
        async with open_database(file, migrations=MIGRATIONS) as database, database.begin() as db:
            await db.execute(insert(Site).values(id=1, generation=b"next", pepper=secrets.mark))
            await add_owner(db, secrets, owner, "a" * 22, 0, 0)

    asyncio.run(add())
    words = ("cloud", "account", "erase", "a" * 22, *made, "--yes")
    status, output, _ = run(*words)
    assert (status, "is erased; its receipt" in output) == (0, True)
    assert rows(tmp_path, Account) == []
    (erasure,) = rows(tmp_path, Erasure)
    assert verify_note(erasure.receipt, secrets.receipt_key)
    status, _, errors = run(*words)
    assert (status, "there is no account" in errors) == (1, True)


def test_code_new_and_breach(run, made, tmp_path):
    """Codes are stored as hashes; a breach has a deadline once there is a policy."""
    place = made
    _, output, _ = run("cloud", "code", "new", "--count", "3", *place[:2])
    codes = output.split()
    assert all(re.fullmatch("[a-z2-7]{16}", code) for code in codes)
    kept = {row.code_sha256 for row in rows(tmp_path, Code)}
    assert (len(kept), any(code.encode() in kept for code in codes)) == (3, False)
    at = ("--at", "2026-01-01T00:00", "--utc")
    _, output, _ = run("cloud", "breach", "found", *place[:2], *at)
    assert "Notify owners by 2026-01-04 01:00 UTC." in output
    words = ("cloud", "breach", "tell", "1", "Change your password.", *place[:2])
    assert run(*words)[0] == 0
    assert run(*words)[0] == 1
    (breach,) = rows(tmp_path, Breach)
    assert (breach.text, breach.told_at is not None) == ("Change your password.", True)
