"""`cloud init` with a policy, `cloud policy`, `cloud code` and `cloud breach`."""

import asyncio
import json
import os
import re

import pytest
from sqlalchemy import insert, select

from server.cloud.accounts.owners import NewOwner, add_owner
from server.cloud.pepper.file import load_pepper
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.law_models import Breach, Code, Erasure
from server.cloud.storage.models import Account, Site
from server.core.note import verify_note
from server.storage.database import open_database
from tests.server.cloud.policies import KEY, TEXT, make_policy, sign


@pytest.fixture
def place(tmp_path):
    """Give the options that name a cloud and its pepper, after files for it were written."""
    (tmp_path / "en.md").write_bytes(TEXT)
    for version in (1, 2, 3):
        starts = 0 if version < 3 else 4_000_000_000
        policy = make_policy(version=version, **{"from": starts})
        (tmp_path / f"{version}.policy").write_bytes(sign(policy))
    return "--folder", tmp_path / "cloud", "--pepper", tmp_path / "pepper"


def rows(tmp_path, table):
    """Return the rows of a table of the cloud."""

    async def read():
        file = tmp_path / "cloud" / "cloud.sqlite"
        async with open_database(file, migrations=MIGRATIONS) as database, database() as db:
            return (await db.scalars(select(table))).all()

    return asyncio.run(read())


def test_versions_are_accepted_in_their_order(run, place, tmp_path):
    """`init` accepts the first; none is accepted twice, and none without its text."""
    text = f"en={tmp_path / 'en.md'}"
    policy = ("--policy", tmp_path / "1.policy", "--policy-key", KEY, "--text", text)
    status, _, errors = run("cloud", "init", *place, "--region", "br", *policy)
    assert (status, "the policy is of id" in errors) == (1, True)
    assert run("cloud", "init", *place, "--region", "id", *policy)[0] == 0
    settings = (tmp_path / "cloud" / "cloud.toml").read_text()
    assert 'country = "ID"' in settings
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


def test_a_policy_of_another_country_is_not_accepted(run, place, tmp_path):
    """The policy's country is the one where data is stored."""
    text = f"en={tmp_path / 'en.md'}"
    key = ("--policy-key", KEY, "--country", "SG")
    assert run("cloud", "init", *place, "--region", "id", *key)[0] == 0
    words = ("cloud", "policy", "accept", tmp_path / "1.policy", *place, "--text", text)
    status, _, errors = run(*words)
    assert (status, "may live in ID alone" in errors) == (1, True)


def test_an_account_is_erased_by_its_id(run, place, tmp_path):
    """The account is erased as by its owner; an unknown id is refused."""
    text = f"en={tmp_path / 'en.md'}"
    policy = ("--policy", tmp_path / "1.policy", "--policy-key", KEY, "--text", text)
    assert run("cloud", "init", *place, "--region", "id", *policy)[0] == 0
    secrets = load_pepper(tmp_path / "pepper", os.geteuid()).secrets("id", os.urandom)

    async def add():
        owner = NewOwner("ani", "", bytes(32), bytes(32), bytes(104), bytes(32))
        file = tmp_path / "cloud" / "cloud.sqlite"
        async with open_database(file, migrations=MIGRATIONS) as database, database.begin() as db:
            await db.execute(insert(Site).values(id=1, generation=b"next", pepper=secrets.mark))
            await add_owner(db, secrets, owner, "a" * 22, 0, 0)

    asyncio.run(add())
    words = ("cloud", "account", "erase", "a" * 22, *place, "--yes")
    status, output, _ = run(*words)
    assert (status, "is erased; its receipt" in output) == (0, True)
    assert rows(tmp_path, Account) == []
    (erasure,) = rows(tmp_path, Erasure)
    assert verify_note(erasure.receipt, secrets.receipt_key)
    status, _, errors = run(*words)
    assert (status, "there is no account" in errors) == (1, True)


def test_codes_and_breaches(run, place, tmp_path):
    """Codes are stored as hashes; a breach has a deadline once there is a policy."""
    text = f"en={tmp_path / 'en.md'}"
    policy = ("--policy", tmp_path / "1.policy", "--policy-key", KEY, "--text", text)
    assert run("cloud", "init", *place, "--region", "id", *policy)[0] == 0
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
