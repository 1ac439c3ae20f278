"""Who is let in, and what requests without a valid token may cost."""

import asyncio

import pytest
from aiohttp.test_utils import make_mocked_request

from server.release.api.admission import UNKNOWN_AT_ONCE, Admission
from server.release.api.rates import Rates
from server.release.errors import AuthenticationError, RateError
from tests.server.release.api_world import role_principals

VIEWER = role_principals()["viewer"]


def ask(token):
    """Return a request with a token, or without one."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return make_mocked_request("POST", "/", headers=headers)


async def refuse(_secret):  # noqa: RUF029 - as the database
    """Know no token."""
    raise AuthenticationError("no.")


@pytest.mark.parametrize("token", ["", "guess"])
async def test_a_halt_without_a_valid_token_is_a_guess(token):
    """Guesses are bounded on the paths of halts, too, with and without a token."""
    admission = Admission(refuse, Rates(1, 60, 60, lambda: 0.0))
    for _ in range(4):
        with pytest.raises(AuthenticationError):
            await admission.admit(ask(token), is_urgent=True)
    with pytest.raises(RateError):
        await admission.admit(ask(token), is_urgent=True)


async def test_halts_with_guesses_wait_for_each_other():
    """Few of them are looked up at one time, and a token that was valid lately does not wait."""
    full, release, running, most = asyncio.Event(), asyncio.Event(), 0, 0

    async def look(secret):
        nonlocal running, most
        if secret == "known":
            return VIEWER
        running += 1
        most = max(most, running)
        if running == UNKNOWN_AT_ONCE:
            full.set()
        await release.wait()
        running -= 1
        raise AuthenticationError("no.")

    admission = Admission(look, Rates(100, 60, 60, lambda: 0.0))
    assert await admission.admit(ask("known")) == VIEWER
    guesses = [
        asyncio.create_task(admission.admit(ask(f"guess-{number}"), is_urgent=True))
        for number in range(20)
    ]
    await full.wait()
    assert await admission.admit(ask("known"), is_urgent=True) == VIEWER
    release.set()
    given = await asyncio.gather(*guesses, return_exceptions=True)
    assert {type(each) for each in given} == {AuthenticationError}
    assert most == UNKNOWN_AT_ONCE
