"""From an ID token that holds to an account, and what ends that at once."""

import base64
import json

from server.release.errors import AuthenticationError
from server.release.federation.login import log_in
from server.release.people.accounts import (
    change_account,
    create_account,
    disable_account,
    enable_account,
)
from server.release.people.permissions import Role
from server.release.people.principal import command_line_principal
from server.storage.database import open_database

NOW = 1_800_000_000


class Believing:
    """A provider whose every token holds; who it is about stands in it."""

    async def verify(self, text):
        """Return the subject."""
        return json.loads(base64.urlsafe_b64decode(text.split(".")[1] + "=="))["sub"]


def login(at):
    """Return an ID token as a provider makes it at a time; its signature is not looked at."""
    claims = json.dumps({"iat": at, "sub": "subject-of-ani"}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.x"


async def test_a_disabled_account_ends_its_logins_for_good(place):
    """Also where it is enabled again; only a login of a minute later opens it."""
    operator = command_line_principal("root")
    async with open_database(place) as sessions:

        async def may(at):
            try:
                return (await log_in(sessions, Believing(), login(at))).actor
            except AuthenticationError:
                return None

        async with sessions.begin() as session:
            for name in ("boss", "ani"):
                await create_account(
                    session, operator, name=name, role=Role.ADMIN, codenames=["*"], at=NOW
                )
            await change_account(session, operator, name="ani", subject="subject-of-ani", at=NOW)
        assert await may(NOW) == "ani/login"
        async with sessions.begin() as session:
            await disable_account(session, operator, name="ani", at=NOW + 100)
        assert [await may(at) for at in (NOW, NOW + 100, NOW + 1000)] == [None] * 3
        async with sessions.begin() as session:
            await enable_account(session, operator, name="ani", at=NOW + 110)
        assert [await may(at) for at in (NOW, NOW + 100, NOW + 160)] == [None] * 3
        assert await may(NOW + 161) == "ani/login"
