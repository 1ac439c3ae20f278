"""Who is let in, and what requests without a valid token may cost."""

import asyncio

import pytest
from aiohttp.test_utils import make_mocked_request

from server.release.api.admission import LOOK_UPS, UNKNOWN_AT_ONCE, Admission
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


async def test_few_tokens_are_looked_up_at_one_time():
    """Others wait in turn, but for those of an identity provider and for halts."""
    full, release, running, most = asyncio.Event(), asyncio.Event(), 0, 0

    async def look(secret):
        nonlocal running, most
        if secret in {"known", "a.b.c"}:
            return VIEWER
        running += 1
        most = max(most, running)
        if running == LOOK_UPS:
            full.set()
        await release.wait()
        running -= 1
        return VIEWER

    admission = Admission(look, Rates(100, 60, 60, lambda: 0.0))
    await admission.admit(ask("known"))
    waiting = [asyncio.create_task(admission.admit(ask(f"token-{number}"))) for number in range(20)]
    await full.wait()
    assert await admission.admit(ask("known"), is_urgent=True) == VIEWER
    assert await admission.admit(ask("a.b.c")) == VIEWER
    release.set()
    assert await asyncio.gather(*waiting) == [VIEWER] * 20
    assert most == LOOK_UPS


async def test_a_token_whose_rate_is_used_up_meanwhile_is_not_looked_up():
    """Requests that come together are counted one after the other."""
    looked = []

    async def look(secret):
        looked.append(secret)
        await asyncio.sleep(0)
        return VIEWER

    admission = Admission(look, Rates(1, 60, 60, lambda: 0.0))
    await admission.admit(ask("token"))
    tasks = [asyncio.create_task(admission.admit(ask("token"))) for _ in range(20)]
    given = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each for each in given if each != VIEWER and not isinstance(each, RateError)] == []
    assert len(looked) <= 4 + LOOK_UPS
