"""Rotation of the pepper: values open under the new one alone, and owners are not affected."""

import os

import pytest
from nacl.signing import SigningKey
from sqlalchemy import select, update

from server.cloud.accounts.owners import find_owner
from server.cloud.owner.keys import load_words
from server.cloud.pepper.rotation import choose_secrets, seal_again
from server.cloud.secrets import Secrets, derive_name_key
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.models import HASHED, SEALED, Base, Site
from server.core.errors import TrustError
from server.storage.database import open_database
from server.storage.errors import StorageError
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import PEPPER, SALTS, SECRETS, Device, running

FORMER = SECRETS
FOLLOWING = Secrets("id", bytes(32), SALTS, os.urandom, [derive_name_key(PEPPER)])
CHALLENGE = "authentication/login_challenge/"


async def rotate(place):
    """Rotate the pepper; return how many rows were encrypted again."""
    async with open_database(place, migrations=MIGRATIONS) as database:
        return await seal_again(database, FORMER, FOLLOWING)


async def load_all(place):
    """Return each encrypted value with its place, and each hash."""
    sealed, hashes = [], []
    async with open_database(place, migrations=MIGRATIONS) as database, database() as db:
        for table in Base.metadata.sorted_tables:
            (key, *_) = table.primary_key.columns
            for row in (await db.execute(select(table).order_by(key))).mappings():
                for column in table.columns:
                    where = (table.name, str(row[key.name]), column.name)
                    if column.info == SEALED:
                        sealed.append((row[column.name], where))
                    elif column.info == HASHED and row[column.name] is not None:
                        hashes.append(row[column.name])
    return sealed, hashes


@on_both
async def test_rotation_encrypts_all_values_again(cloud, place):
    """After a rotation the values are the same, and every hash of a name is different."""
    for name in ("ani", "budi"):
        await (await cloud.device(name)).set_recovery(SigningKey.generate())
    before, hashes = await load_all(place)
    assert len(before) == 2 * (4 + 3)
    assert await rotate(place) == 4
    after, new_hashes = await load_all(place)
    assert not {*hashes} & {*new_hashes}
    for (old, where), (new, same) in zip(before, after, strict=True):
        assert where == same
        assert FOLLOWING.open(new, *where) == FORMER.open(old, *where)
        with pytest.raises(TrustError):
            FORMER.open(new, *where)
    assert await rotate(place) == 0
    async with open_database(place, migrations=MIGRATIONS) as database, database() as db:
        for name in ("ani", "ani@localhost"):
            owner = await find_owner(db, FOLLOWING, name)
            assert owner.name == "ani"
        assert (await load_words(db, FOLLOWING, owner.id)).words == b"the words"
        assert await find_owner(db, FOLLOWING, "citra") is None


async def test_owners_are_not_affected_by_a_rotation(place, tmp_path):
    """Names, addresses, words and passwords stay valid; salts stay, also of unknown names."""
    words = SigningKey.generate()
    async with running(place, tmp_path) as cloud:
        device = await cloud.device()
        await device.set_recovery(words)
        before = await salts(cloud)
    await rotate(place)
    async with running(place, tmp_path, peppers=(FORMER, FOLLOWING)) as cloud:
        assert await salts(cloud) == before
        again = Device(cloud.http, cloud.url, "ani", device.key)
        assert (await again.log_in())[0] == 200
        assert (await again.log_in(username="ani@localhost"))[0] == 401  # it has another challenge
        again.name = "ani@localhost"
        assert (await again.log_in())[0] == 200
        signed = await again.sign("openRecovery", words)
        assert (await again.ask("POST", "recovery/open", signed))[0] == 200
        assert (await Device(cloud.http, cloud.url, "ani").sign_up())[1]["code"] == "user_exists"
        assert (await Device(cloud.http, cloud.url, "citra").sign_up())[0] == 201


async def salts(cloud):
    """Return the salts of known and of unknown names."""
    stranger = Device(cloud.http, cloud.url, "")
    names = ("ani", "ani@localhost", "citra", "nobody")
    answers = [await stranger.call("POST", CHALLENGE, {"username": name}) for name in names]
    return [answer["salt"] for _, answer in answers]


async def test_running_server_after_a_rotation(cloud, place):
    """After a rotation a running server refuses all logins and new accounts; sessions continue."""
    device = await cloud.device()
    await rotate(place)
    stranger = Device(cloud.http, cloud.url, "")
    for name in ("ani", "nobody"):
        status, answer = await stranger.call("POST", CHALLENGE, {"username": name})
        assert (status, answer["code"]) == (503, "pepper_rotated")
    assert (await Device(cloud.http, cloud.url, "citra").sign_up())[0] == 503
    assert (await device.call("GET", "collection/"))[0] == 200


@pytest.mark.usefixtures("cloud")
async def test_pepper_of_another_database_is_refused(place):
    """With another database's pepper the server refuses to start, instead of refusing each name."""
    other = Secrets("id", os.urandom(32), SALTS, os.urandom)
    async with open_database(place, migrations=MIGRATIONS) as database:
        with pytest.raises(StorageError, match="encrypted with another pepper"):
            await choose_secrets(database, [other])
        with pytest.raises(StorageError, match="Nothing was changed"):
            await seal_again(database, other, FOLLOWING)
        assert await choose_secrets(database, [other, FORMER]) is FORMER


async def test_database_without_a_mark(cloud, place):
    """A database of an earlier version accepts the pepper that opens it, and records no other."""
    await cloud.device()
    other = Secrets("id", os.urandom(32), SALTS, os.urandom)
    async with open_database(place, migrations=MIGRATIONS) as database:
        async with database.begin() as db:
            await db.execute(update(Site).values(pepper=None))
        with pytest.raises(TrustError, match="cannot be decrypted with this pepper"):
            await choose_secrets(database, [other])
        assert await choose_secrets(database, [FORMER]) is FORMER
        assert await choose_secrets(database, [other, FORMER]) is FORMER
