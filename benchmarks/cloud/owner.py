"""A client of an account that encrypts nothing, so that only the server is measured."""

import base64
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import msgspec
from nacl.signing import SigningKey

from server.core.cloud_policy import read_policy
from server.core.encodings import encode_canonical_json

MSGPACK = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}


def uid() -> str:
    """Return a new random uid in the format of the clients."""
    return base64.urlsafe_b64encode(os.urandom(24)).decode()


def make_items(count: int, meta: int = 100, body: int = 1024) -> list[dict[str, object]]:
    """Return items as a client sends them: with `meta` bytes of metadata and `body` of content."""
    return [
        {
            "uid": uid(),
            "version": 1,
            "content": {
                "uid": uid(),
                "meta": os.urandom(meta),
                "chunks": [[uid(), os.urandom(body)]],
                "deleted": False,
            },
            "etag": None,
        }
        for _ in range(count)
    ]


@dataclass(frozen=True, slots=True)
class Owner:
    """A logged-in client of the account `name`, which has one collection."""

    http: aiohttp.ClientSession
    url: str
    name: str
    token: str
    collection: str

    async def call(self, method: str, path: str, body: bytes | None = None) -> object:
        """Send a request to the records API; return the decoded response, or exit if it fails."""
        headers = {**MSGPACK, "Authorization": f"Token {self.token}"}
        address = f"{self.url}/api/v1/{path}"
        async with self.http.request(method, address, data=body, headers=headers) as answer:
            data = await answer.read()
            if answer.status >= 300:
                raise SystemExit(f"{path} is answered with {answer.status}: {data!r}")
            return msgspec.msgpack.decode(data) if data else None

    async def agree(self, session: str) -> None:
        """Agree to the region's policy; without this consent the server accepts no data."""
        async with self.http.get(f"{self.url}/policy/id") as answer:
            text = (await answer.text()).rpartition("\n\n")[0] + "\n"
        policy, key = read_policy(text), SigningKey.generate()
        said = {
            "type": "consent",
            "schema": 1,
            "region": "id",
            "version": policy.version,
            "policy": hashlib.sha256(text.encode()).hexdigest(),
            "locale": "en",
            "text": policy.text["en"],
            "at_least": 18,
            "guardian": False,
        }
        statement = encode_canonical_json(said)
        body = {
            "statement": statement.decode(),
            "public_key": base64.b64encode(bytes(key.verify_key)).decode(),
            "signature": base64.b64encode(key.sign(statement).signature).decode(),
        }
        headers = {"Authorization": f"Token {session}"}
        address = f"{self.url}/account/1/consents"
        async with self.http.post(address, json=body, headers=headers) as answer:
            if answer.status != 201:
                raise SystemExit(f"the consent is answered with {answer.status}")

    async def make_token(self) -> str:
        """Return a new token for the blobs API."""
        headers = {"Authorization": f"Token {self.token}"}
        address, asked = f"{self.url}/account/1/app-tokens", {"door": "blobs"}
        async with self.http.post(address, json=asked, headers=headers) as answer:
            return str((await answer.json())["token"])


@asynccontextmanager
async def signed_up(url: str, name: str = "owner") -> AsyncIterator[Owner]:
    """Create an account with a collection; its connections are closed when the block ends."""
    connector = aiohttp.TCPConnector(limit=0)
    forever = aiohttp.ClientTimeout()
    async with aiohttp.ClientSession(connector=connector, timeout=forever) as http:
        body = {
            "user": {"username": name, "email": ""},
            "salt": os.urandom(32),
            "loginPubkey": bytes(SigningKey.generate().verify_key),
            "pubkey": os.urandom(32),
            "encryptedContent": os.urandom(104),
        }
        owner = Owner(http, url, name, "", "")
        made = await owner.call("POST", "authentication/signup/", msgspec.msgpack.encode(body))
        await owner.agree(str(made["token"]))  # type: ignore[index]
        item = make_items(1)[0]
        owner = Owner(http, url, name, str(made["token"]), str(item["uid"]))  # type: ignore[index]
        asked = {"item": item, "collectionKey": os.urandom(72), "collectionType": b"type"}
        await owner.call("POST", "collection/", msgspec.msgpack.encode(asked))
        yield owner
