"""Owners' devices that speak the protocol of the records API, and a cloud for them.

Encrypted content is random here, because the server cannot tell the difference.
"""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
from nacl.signing import SigningKey

from server.cloud.app import serving
from server.cloud.secrets import Secrets
from server.cloud.settings import CloudSettings, SignUp
from server.cloud.storage.bodies import LocalBodies
from tests.server.cloud.policies import LAW, POLICY, keep_policies, make_statement

NOW = 1_790_000_000
PEPPER, SALTS = bytes(range(32)), bytes(range(32, 64))
SECRETS = Secrets("id", PEPPER, SALTS, os.urandom)
READ, SHARE, WRITE = 0, 1, 2
HEADERS = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}


def uid() -> str:
    """Return a new uid in the clients' form."""
    return base64.urlsafe_b64encode(os.urandom(24)).decode()


@dataclass
class Clock:
    """Epoch seconds that a test sets."""

    seconds: int = NOW

    def __call__(self) -> int:
        """Return the time."""
        return self.seconds


@dataclass
class Device:
    """One device: a name, a login key, and a token after login."""

    http: aiohttp.ClientSession
    url: str
    name: str
    key: SigningKey = field(default_factory=SigningKey.generate)
    token: str = ""

    async def call(self, method: str, path: str, body: object = None, *, raw: bytes | None = None):
        """Send a request; return its status and its answer, decoded."""
        headers = dict(HEADERS)
        if self.token:
            headers["Authorization"] = f"Token {self.token}"
        data = msgspec.msgpack.encode(body) if raw is None and body is not None else raw
        address = f"{self.url}/api/v1/{path}"
        async with self.http.request(method, address, data=data, headers=headers) as answer:
            content = await answer.read()
            if answer.content_type == "application/msgpack":
                return answer.status, msgspec.msgpack.decode(content)
            return answer.status, content

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, object]:
        """Send a request to the account API; return the status and the decoded answer."""
        headers = {"Authorization": f"Token {self.token}"} if self.token else {}
        address = f"{self.url}/account/1/{path}"
        data = None if body is None else msgspec.json.encode(body)
        async with self.http.request(method, address, data=data, headers=headers) as answer:
            content = await answer.read()
            if not answer.content_type.endswith("json"):
                return answer.status, content or None
            return answer.status, msgspec.json.decode(content) if content else None

    async def make_token(self, *, reads_only: bool = False) -> str:
        """Make a token of the blobs API."""
        asked = {"door": "blobs", "reads_only": reads_only}
        status, answer = await self.ask("POST", "app-tokens", asked)
        assert status == 201, answer
        return answer["token"]

    async def program(self, *, reads_only: bool = False) -> "Program":
        """Return a program with a token of the blobs API."""
        return Program(self, self.name, await self.make_token(reads_only=reads_only))

    async def invite(self, other: "Device", collection: str, access: int = WRITE) -> str:
        """Invite another account to a collection; returns the invitation's uid."""
        invitation = {
            "uid": uid(),
            "version": 1,
            "accessLevel": access,
            "username": other.name,
            "collection": collection,
            "signedEncryptionKey": b"boxed",
        }
        assert (await self.call("POST", "invitation/outgoing/", invitation))[0] == 201
        return invitation["uid"]

    async def accept(self, invitation: str) -> tuple[int, object]:
        """Accept an invitation."""
        answer = {"collectionType": b"theirs", "encryptionKey": b"theirs"}
        return await self.call("POST", f"invitation/incoming/{invitation}/accept/", answer)

    async def share(self, other: "Device", collection: str, access: int = WRITE) -> None:
        """Let another account join a collection."""
        assert (await other.accept(await self.invite(other, collection, access)))[0] == 201

    async def agree(self, policy=POLICY, /, key: SigningKey | None = None, **changed: object):
        """Agree to a policy; `changed` replace members of the signed statement."""
        return await self.ask("POST", "consents", make_statement(policy, key, **changed))

    async def sign_up(self, *, salt: bytes = b"") -> tuple[int, object]:
        """Make the account, with a random or given salt."""
        status, answer = await self.call(
            "POST",
            "authentication/signup/",
            {
                "user": {"username": self.name, "email": f"{self.name}@localhost"},
                "salt": salt or os.urandom(32),
                "loginPubkey": bytes(self.key.verify_key),
                "pubkey": os.urandom(32),
                "encryptedContent": os.urandom(104),
            },
        )
        if status == 201:
            self.token = answer["token"]
        return status, answer

    async def log_in(self, **changed: object) -> tuple[int, object]:
        """Log in; `changed` replace members of the signed response."""
        self.token = ""
        asked = {"username": self.name}
        _, challenge = await self.call("POST", "authentication/login_challenge/", asked)
        says = {
            "username": self.name,
            "challenge": challenge["challenge"],
            "host": self.url.removeprefix("http://"),
            "action": "login",
        }
        response = msgspec.msgpack.encode({**says, **changed})
        signature = self.key.sign(response).signature
        status, answer = await self.call(
            "POST", "authentication/login/", {"response": response, "signature": signature}
        )
        if status == 200:
            self.token = answer["token"]
        return status, answer

    async def sign(self, action: str, key: SigningKey | None = None, **more: object) -> dict:
        """Return the account API's body for `action`, signed by the password's key."""
        _, challenge = await self.ask("POST", "recovery/challenge", {"username": self.name})
        says = {
            "username": self.name,
            "challenge": challenge["challenge"],
            "host": self.url.removeprefix("http://"),
            "action": action,
        }
        response = msgspec.json.encode({**says, **more})
        return {"response": response, "signature": (key or self.key).sign(response).signature}

    async def set_recovery(self, words: SigningKey) -> None:
        """Store recovery words whose key is `words`."""
        kept = {"key": bytes(words.verify_key), "wrap": b"by the words", "words": b"the words"}
        signed = await self.sign("setRecovery", recovery=kept)
        assert await self.ask("PUT", "recovery", signed) == (204, None)

    async def create(self, kind: bytes = b"type") -> dict:
        """Make a collection and return the item that describes it."""
        item = make_item()
        body = {"item": item, "collectionKey": os.urandom(72), "collectionType": kind}
        status, answer = await self.call("POST", "collection/", body)
        assert status == 201, answer
        return item

    async def batch(self, collection: str, *items: dict, way: str = "batch", query: str = ""):
        """Write items."""
        path = f"collection/{collection}/item/{way}/{query}"
        return await self.call("POST", path, {"items": list(items)})


class Program:
    """A program of an account, with a token of the blobs API."""

    def __init__(self, device: "Device | Cloud", name: str, token: str) -> None:
        self._http, self._url = device.http, f"{device.url}/blobs"
        self.headers = {"Authorization": aiohttp.encode_basic_auth(name, token)}

    async def ask(self, method: str, path: str, body: object = None, **headers: str):
        """Send a request; return status, body and headers."""
        sent = {**self.headers, **headers}
        address = f"{self._url}/{path}"
        async with self._http.request(method, address, data=body, headers=sent) as answer:
            return answer.status, await answer.read(), answer.headers


def make_item(body: bytes = b"", **changed: object) -> dict:
    """Return an item in its first revision, with one chunk if it has a body."""
    chunks = [[uid(), body]] if body else []
    content = {"uid": uid(), "meta": os.urandom(64), "chunks": chunks, "deleted": False}
    return {"uid": uid(), "version": 1, "content": content, "etag": None, **changed}


def change(item: dict, **changed: object) -> dict:
    """Return an item's next revision, written by a device that has the previous one."""
    content = {**item["content"], "uid": uid(), "meta": os.urandom(64), **changed}
    return {**item, "content": content, "etag": item["content"]["uid"]}


@dataclass
class Cloud:
    """A running cloud: its address, its clock, its storage, and devices."""

    url: str
    clock: Clock
    folder: Path
    http: aiohttp.ClientSession

    def stored_bodies(self) -> list[Path]:
        """Return the files of all stored bodies, and of records of erasures."""
        return [path for path in (self.folder / "bodies").rglob("*") if path.is_file()]

    async def device(self, name: str = "ani", *, agrees: bool = True) -> Device:
        """Return a new owner's device, logged in, whose owner has agreed to the policy."""
        device = Device(self.http, self.url, name)
        assert (await device.sign_up())[0] == 201
        if agrees:
            status, answer = await device.agree()
            assert status == 201, answer
        return device


@asynccontextmanager
async def running(
    place, folder: Path, more=(), bodies=None, policies=(POLICY,), peppers=(), **settings: object
) -> AsyncIterator[Cloud]:
    """Run a cloud until the block ends, with valid policies."""
    clock = Clock()
    own = {"region": "id", "port": 0, "sign_up": SignUp.OPEN, **LAW}
    chosen = CloudSettings(**{**own, **settings})
    await keep_policies(place, *policies)
    bodies = bodies or LocalBodies(folder / "bodies", os.urandom)
    peppers = peppers or (SECRETS,)
    async with (
        serving(place, bodies, peppers, chosen, clock, os.urandom, more) as port,
        aiohttp.ClientSession() as http,
    ):
        yield Cloud(f"http://127.0.0.1:{port}", clock, folder, http)
