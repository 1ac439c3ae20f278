"""Logins at a real OpenID provider: accepted users, their rights, and the end of a session."""

import pytest

from server.core.errors import FormatError
from server.settings import Settings
from tests.openid import log_in, run_provider
from tests.server.release.api_world import FAST, api_world
from tests.server.release.auth.issue import issue_token

pytestmark = pytest.mark.needs("openid")


@pytest.fixture(scope="module")
def issuer():
    """Yield the issuer of a provider."""
    with run_provider() as name:
        yield name


ANY = {"If-Match": "*"}


def serve(world, issuer):
    """Serve the API to tokens of the database and of the provider."""
    settings = Settings(api_port=0, api_rate=FAST, oidc_issuer=issuer, oidc_audience="hening")
    return api_world(world, settings=settings, real_tokens=True)


async def test_login_and_its_end(world, issuer):
    """A login needs an account; it has the account's rights while the account is enabled."""
    given = await log_in(issuer, "subject-of-ani")
    text = given["id_token"]
    async with serve(world, issuer) as api:
        admin = await issue_token(api.services, "admin")

        async def ask(method, path, status, token, **options):
            answer = await api.call(method, path, token=token, headers=ANY, **options)
            assert answer.status == status, answer.data
            return answer.json

        await ask("GET", "/me", 401, text)
        body = {"name": "ani", "role": "admin", "codenames": ["*"]}
        await ask("POST", "/accounts", 201, admin, body=body)
        await ask("GET", "/me", 401, text)
        subject = {"oidc_subject": "subject-of-ani"}
        changed = await ask("PATCH", "/accounts/ani", 200, admin, body=subject)
        assert changed["oidc_subject"] == "subject-of-ani"
        me = await ask("GET", "/me", 200, text)
        assert (me["name"], me["role"], me["token"]) == ("ani", "admin", "login")
        await ask("PATCH", "/accounts/viewer", 409, admin, body=subject)
        await ask("PATCH", "/accounts/ani", 200, admin, body={"role": "viewer"})
        assert (await ask("GET", "/me", 200, text))["permissions"] == ["read"]
        await ask("GET", "/trail", 403, text)
        await ask("PATCH", "/accounts/ani", 200, admin, body={"role": "approver"})
        entries = (await ask("GET", "/trail?subject=ani", 200, text))["items"]
        assert [entry["detail"].get("subject") for entry in entries] == [
            None,
            None,
            "subject-of-ani",
            None,
        ]
        for wrong in (
            given["access_token"],
            (await log_in(issuer, "somebody"))["id_token"],
            (await log_in(issuer, "subject-of-ani", "other"))["id_token"],
            text[:-8] + "AAAAAAAA",
        ):
            await ask("GET", "/me", 401, wrong)
        api.ahead(661)
        await ask("GET", "/me", 401, text)
        api.ahead(0)
        await ask("POST", "/accounts/ani/disable", 200, admin)
        await ask("GET", "/me", 401, text)
        await ask("POST", "/accounts/ani/enable", 200, admin)
        await ask("GET", "/me", 401, text)
        await ask("PATCH", "/accounts/ani", 200, admin, body={"oidc_subject": ""})
        await ask("GET", "/me", 401, text)


async def test_another_provider(world, issuer):
    """A login at another provider is refused, although the subject is the same."""
    with run_provider() as other:
        elsewhere = (await log_in(other, "subject-of-ani"))["id_token"]
    async with serve(world, issuer) as api:
        admin = await issue_token(api.services, "admin")
        body = {"oidc_subject": "subject-of-ani"}
        path = "/accounts/viewer"
        set_ = await api.call("PATCH", path, token=admin, body=body, headers=ANY)
        assert set_.status == 200
        assert (await api.call("GET", "/me", token=elsewhere)).status == 401


async def test_provider_unreachable(world):
    """While the provider is unreachable a login cannot be checked; API tokens work."""
    with run_provider() as other:
        elsewhere = (await log_in(other, "subject-of-ani"))["id_token"]
    async with serve(world, other) as api:
        answer = await api.call("GET", "/me", token=elsewhere)
        assert (answer.status, answer.problem) == (503, "unavailable")
        answer = await api.call("GET", "/me", token=await issue_token(api.services, "editor"))
        assert answer.status == 200


async def test_issuer_without_audience(world, issuer):
    """An issuer without an audience is refused: it would accept other applications' logins."""
    settings = Settings(api_port=0, oidc_issuer=issuer)
    with pytest.raises(FormatError, match="go together"):
        async with api_world(world, settings=settings, real_tokens=True):
            pass
