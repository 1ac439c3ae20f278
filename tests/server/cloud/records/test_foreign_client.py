"""The Etebase client's own test suite, which was written for another server."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from server.cloud.accounts.owners import find_owner
from server.cloud.accounts.routes import SignUpRequest
from server.cloud.errors import not_found
from server.cloud.routing import Route
from server.cloud.storage.models import (
    Account,
    Chunk,
    Collection,
    Invitation,
    Item,
    Member,
    Revision,
)
from tests.server.cloud.conftest import on_postgresql
from tests.server.cloud.device import running

FOLDER = Path(__file__).parents[3] / "etebase"
#: The number of tests in Etebase.test.js; its authors have disabled one more.
OF_THE_API = 25


async def reset(call):
    """Clear an account, as that suite requires, and record its owner's consent to the policy."""
    services = call.services
    async with services.database.begin() as db:
        owner = await find_owner(db, services.secrets, call.body.user.username)
        if owner is None:
            raise not_found("account")
        own = select(Collection.id).where(Collection.owner == owner.id)
        ids = (await db.scalars(own)).all()
        items = select(Item.id).where(Item.collection.in_(ids))
        await db.execute(delete(Revision).where(Revision.item.in_(items)))
        invited, member = Invitation.invited == owner.id, Member.account == owner.id
        await db.execute(delete(Invitation).where(Invitation.collection.in_(ids) | invited))
        await db.execute(delete(Member).where(Member.collection.in_(ids) | member))
        for table in (Item, Chunk):
            await db.execute(delete(table).where(table.collection.in_(ids)))
        await db.execute(delete(Collection).where(Collection.id.in_(ids)))
        agreed = update(Account).where(Account.id == owner.id)
        await db.execute(agreed.values(consent_version=1))


RESET = Route(
    "POST", "/api/v1/test/authentication/reset/", reset, SignUpRequest, status=204, is_public=True
)


@pytest.mark.needs("etebase")
@on_postgresql
async def test_the_clients_own_suite_passes(place, tmp_path):
    """The whole suite passes on PostgreSQL, which is stricter; most other tests use SQLite."""
    async with running(place, tmp_path, (RESET,)) as cloud:
        cloud.clock.seconds = int(asyncio.get_running_loop().time())
        node = await asyncio.create_subprocess_exec(
            *("node", "-r", "./native.cjs"),
            "--test-reporter=tap",
            "--test-reporter-destination=stdout",
            "suite.cjs",
            cwd=FOLDER,
            env={**os.environ, "ETEBASE_TEST_API_URL": cloud.url, "PYTHON": sys.executable},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await node.communicate())[0].decode()
    failed = re.findall(r"^not ok \d+ - (.*)$", output, re.MULTILINE)
    assert not failed, output[-6000:]
    names = re.findall(r"^ok \d+ - ((?!.*# SKIP).*)$", output, re.MULTILINE)
    start = names.index("Check server is etebase")
    assert len(names[start:]) == OF_THE_API
    assert node.returncode == 0
