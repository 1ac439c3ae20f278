"""The control plane on a real socket, with an account per role and a client that checks answers."""

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
from prometheus_client import CollectorRegistry

from server.release.api.catalogue import OPERATIONS
from server.release.api.operation import Services
from server.release.api.serving import serving
from server.release.auth.principal import EVERY_CODENAME, ROLE_PERMISSIONS, Principal, Role
from server.release.errors import AuthenticationError
from server.release.rollouts.rollouts import ChangePolicy, Rollouts
from server.settings import Settings
from server.storage.database import open_database
from tests.server.release.auth.issue import account_row

FAST = 1_000_000
PROBLEM = "application/problem+json"


@dataclass
class Answer:
    """An answer; `json` is None without a body."""

    status: int
    headers: aiohttp.typedefs.LooseHeaders
    data: bytes

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.data) if self.data else None

    @property
    def problem(self):
        """The name of the problem's type."""
        assert self.headers["Content-Type"] == PROBLEM
        assert self.json["status"] == self.status
        return self.json["type"].removeprefix("urn:hening:problem:")


@dataclass
class ApiWorld:
    """A listening API. The token `ROLE` belongs to that role's account for all codenames.

    `ahead(seconds)` moves the clock.
    """

    port: int
    session: aiohttp.ClientSession
    services: Services
    registry: CollectorRegistry
    principals: dict[str, Principal]
    ahead: Callable[[int], None]

    @property
    def url(self):
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    async def call(self, method, path, *, token="admin", body=None, data=None, headers=None):
        """Send a request below /api/v1; with `token` None, without a token."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        url = f"{self.url}/api/v1{path}"
        async with self.session.request(method, url, headers=sent, data=data) as response:
            answer = Answer(response.status, response.headers, await response.read())
        assert "Server" not in answer.headers
        assert answer.headers["Cache-Control"]
        if answer.status >= 400 and method != "HEAD":
            assert answer.problem
        return answer


def role_principals():
    """Return a principal for each role, by the role's name."""
    return {
        role.value: Principal(role.value, role, ROLE_PERMISSIONS[role], (EVERY_CODENAME,))
        for role in Role
    }


@contextlib.asynccontextmanager
async def api_world(
    world,
    operations=OPERATIONS,
    settings=None,
    entropy=os.urandom,
    *,
    real_tokens=False,
    site=None,
    **services,
):
    """Serve `operations` on the state folder of `world`; pass further services by name.

    With `real_tokens`, only tokens from the database are accepted.
    """
    principals = role_principals()
    registry = CollectorRegistry()

    async def verify(secret):  # noqa: RUF029 - the real one asks the database
        if secret not in principals:
            raise AuthenticationError("This needs a valid token: ask an admin for one.")
        return principals[secret]

    settings = settings or Settings(api_port=0, api_rate=FAST, changes_per_hour=FAST)
    async with world.publisher() as publisher, open_database(world.folder.database) as sessions:
        async with sessions.begin() as session:
            session.add_all(account_row(name, who.role) for name, who in principals.items())
        rollouts = Rollouts(
            world.folder,
            sessions,
            publisher,
            world.now,
            entropy,
            ChangePolicy(settings.rewordings_per_day, settings.approval_channels),
        )
        made = Services(
            world.folder, sessions, publisher, rollouts, world.now, settings, entropy, **services
        )
        async with (
            serving(made, registry, operations, None if real_tokens else verify, site) as port,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        ):

            def ahead(seconds):
                world.ahead = timedelta(seconds=seconds)

            yield ApiWorld(port, session, made, registry, principals, ahead)
