"""A thief with the database, the bodies and the program, but without the pepper.

The same searches find everything in a copy with decrypted columns, which shows that they work.
"""

import base64
import hashlib
import hmac
import os
import sqlite3
from contextlib import closing

from nacl.signing import SigningKey

from server.cloud.secrets import derive_name_key
from tests.server.cloud.device import PEPPER, SALTS, SECRETS, Device, make_item

NAMES = ("ani", "budi", "citra")


def read_all(path):
    """Return each bytes or text value in a database, by table and column."""
    found = {}
    with closing(sqlite3.connect(path)) as db:
        tables = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        for table in tables:
            cursor = db.execute(f'SELECT * FROM "{table}"')
            columns = [column for column, *_ in cursor.description]
            for row in cursor:
                for column, value in zip(columns, row, strict=True):
                    data = value.encode() if isinstance(value, str) else value
                    if isinstance(data, bytes):
                        found.setdefault(f"{table}.{column}", set()).add(data)
    return found


def guess_names(values):
    """Return the names whose hash is in `values`, with any key that the thief has, or with none."""
    everything = {each for column in values.values() for each in column}
    keys = {b"", bytes(32)} | {each for each in everything if len(each) <= 64}
    guesses = {}
    for name in NAMES:
        text = name.encode()
        guesses[name] = {text, hashlib.sha256(text).digest(), hashlib.blake2b(text).digest()}
        for key in keys:
            guesses[name].add(hmac.digest(key, text, hashlib.sha256))
            guesses[name].add(hmac.digest(derive_name_key(key), text, hashlib.sha256))
    return {name for name, hashes in guesses.items() if hashes & everything}


def find_secrets(files, secrets):
    """Return the names of those `secrets` that `files` contain, in any usual form."""
    return {
        name
        for name, secret in secrets.items()
        for form in (secret, secret.hex().encode(), base64.b64encode(secret)[:-2])
        if any(form in data for data in files)
    }


async def fill(cloud):
    """Make accounts; return the secrets of the first one."""
    device = await cloud.device("ani")
    await (await cloud.device("budi")).create()
    await device.set_recovery(SigningKey(bytes(range(32))))
    collection = (await device.create())["uid"]
    await device.batch(collection, make_item(os.urandom(20_000)))
    token = await device.make_token()
    stranger = Device(cloud.http, cloud.url, "")
    path = "authentication/login_challenge/"
    _, challenge = await stranger.call("POST", path, {"username": "ani"})
    return {
        "salt": challenge["salt"],
        "login key": bytes(device.key.verify_key),
        "name and address": b"ani@localhost",
        "recovery key": bytes(SigningKey(bytes(range(32))).verify_key),
        "wrap": b"by the words",
        "session's token": device.token.encode(),
        "program's token": token.encode(),
        "pepper": PEPPER,
        "salts": SALTS,
    }


async def test_stolen_database_without_the_pepper(cloud, place):
    """The thief gets no value, and cannot test passwords, because the salt is encrypted.

    With the pepper, or if names were hashed without a key, the same searches find them.
    """
    wanted = await fill(cloud)
    values = read_all(place)
    files = [path.read_bytes() for path in cloud.folder.rglob("*") if path.is_file()]
    assert any(b"CREATE TABLE accounts" in data for data in files)
    assert find_secrets(files, wanted) == set()
    assert guess_names(values) == set()
    assert guess_names({**values, "taken": {PEPPER}}) == {"ani", "budi"}
    assert guess_names({**values, "plain": {hashlib.sha256(b"citra").digest()}}) == {"citra"}
    with closing(sqlite3.connect(place)) as db:
        rows = db.execute("SELECT id, salt, login_key, name FROM accounts").fetchall()
    opened = [
        SECRETS.open(value, "accounts", row[0], column)
        for row in rows
        for column, value in zip(("salt", "login_key", "name"), row[1:], strict=True)
    ]
    assert find_secrets(opened, wanted) == {"salt", "login key"}
    assert b"ani" in opened


async def test_equal_values_are_encrypted_differently(cloud, place):
    """Two accounts with the same salt and key have different encrypted values."""
    key, salt = SigningKey.generate(), os.urandom(32)
    for name in ("ani", "budi"):
        device = Device(cloud.http, cloud.url, name, key)
        assert (await device.sign_up(salt=salt))[0] == 201
    values = read_all(place)
    for column in ("name", "salt", "login_key", "wrap"):
        assert len(values[f"accounts.{column}"]) == 2
