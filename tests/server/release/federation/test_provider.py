"""The provider's keys: found by discovery, cached, fetched again, and never too often."""

import asyncio

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from server.core.errors import FormatError
from server.release.errors import AuthenticationError
from server.release.federation.identity import Expected
from server.release.federation.provider import Provider
from server.storage.errors import StorageError
from tests.cases import case, refuse_each

ISSUER = "https://login.example/realm"
KEYS = "https://keys.example/jwks"


class World:
    """A provider with pages set by a test, and a test clock."""

    def __init__(self):
        self.now = 1_800_000_000
        self.asked = []
        self.pages = {
            f"{ISSUER}/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": KEYS}
        }
        self.provider = Provider(Expected(ISSUER, "hening"), lambda: self.now, self.fetch)

    async def fetch(self, url):
        """Return a page, or fail if there is none."""
        self.asked.append(url)
        if url not in self.pages:
            raise StorageError("the identity provider does not answer: try again.")
        return self.pages[url]

    def publish(self, *keys):
        """Let the provider have these keys."""
        self.pages[KEYS] = {"keys": [key.as_dict(private=False) for key in keys]}

    def token(self, key):
        """Sign a token as the provider would now."""
        claims = {
            "iss": ISSUER,
            "aud": "hening",
            "sub": "u-1",
            "iat": self.now,
            "exp": self.now + 600,
        }
        head = {"alg": "Ed25519", "kid": key.kid}
        return jwt.encode(head, claims, key, algorithms=["Ed25519"])


def make_key(name):
    """Make a signing key."""
    return OKPKey.generate_key("Ed25519", parameters={"kid": name, "use": "sig"})


ONE, TWO = make_key("one"), make_key("two")


@pytest.fixture
def world():
    """Give a provider with one key."""
    made = World()
    made.publish(ONE)
    return made


async def test_keys_are_kept_for_an_hour(world):
    """Two pages are fetched for many tokens, and again after an hour."""
    for _ in range(3):
        assert await world.provider.verify(world.token(ONE)) == "u-1"
    assert world.asked == [f"{ISSUER}/.well-known/openid-configuration", KEYS]
    world.now += 3599
    await world.provider.verify(world.token(ONE))
    assert len(world.asked) == 2
    world.now += 1
    await world.provider.verify(world.token(ONE))
    assert len(world.asked) == 4


async def test_a_new_key_is_found(world):
    """An unknown key is fetched, but only once a minute, because any caller can name one."""
    await world.provider.verify(world.token(ONE))
    world.publish(ONE, TWO)
    with pytest.raises(AuthenticationError):
        await world.provider.verify(world.token(TWO))
    world.now += 60
    assert await world.provider.verify(world.token(TWO)) == "u-1"
    asked = len(world.asked)
    for number in range(20):
        with pytest.raises(AuthenticationError):
            await world.provider.verify(world.token(make_key(f"x{number}")))
    assert len(world.asked) == asked


async def test_invented_key_ids_delay_no_known_key(world):
    """Known keys do not wait for a fetch that hangs; failed fetches pause for all others."""
    world.publish(ONE)
    await world.provider.verify(world.token(ONE))
    world.now += 120
    hanging, going_on = asyncio.Event(), asyncio.Event()
    fetch = world.fetch

    async def hang(url):
        world.asked.append(url)
        hanging.set()
        await going_on.wait()
        raise StorageError("the identity provider does not answer: try again.")

    world.provider._fetch = hang
    asked = len(world.asked)
    invented = asyncio.create_task(world.provider.verify(world.token(TWO)))
    await hanging.wait()
    assert await world.provider.verify(world.token(ONE)) == "u-1"
    world.now += 60  # the fetch ends long after it began
    going_on.set()
    with pytest.raises(StorageError, match="does not answer"):
        await invented
    for _ in range(3):
        with pytest.raises(StorageError, match="a moment ago"):
            await world.provider.verify(world.token(TWO))
    assert len(world.asked) == asked + 1
    world.provider._fetch = fetch


async def test_a_withdrawn_key_is_forgotten(world):
    """After an hour at the latest a key that the provider dropped is refused."""
    await world.provider.verify(world.token(ONE))
    world.publish(TWO)
    world.now += 3600
    with pytest.raises(AuthenticationError):
        await world.provider.verify(world.token(ONE))


async def test_a_provider_that_is_away(world):
    """Known keys are used; without them it is an outage, without a request each time."""
    await world.provider.verify(world.token(ONE))
    pages, world.pages = world.pages, {}
    assert await world.provider.verify(world.token(ONE)) == "u-1"
    world.now += 3600
    asked = len(world.asked)
    for _ in range(5):
        with pytest.raises(StorageError):
            await world.provider.verify(world.token(ONE))
    assert len(world.asked) == asked + 1
    world.pages = pages
    world.now += 5
    assert await world.provider.verify(world.token(ONE)) == "u-1"


async def test_a_discovery_that_does_not_fit():
    """Another issuer than the configured one, or keys without TLS: all are refused."""
    page = f"{ISSUER}/.well-known/openid-configuration"
    keys = (1, "http://keys.example/jwks", "file:///etc/passwd")
    for content in (
        *({}, {"issuer": "https://evil.example", "jwks_uri": KEYS}, {"issuer": ISSUER}),
        *({"issuer": ISSUER, "jwks_uri": each} for each in keys),
    ):
        world = World()
        world.pages[page] = content
        with case(content), pytest.raises(StorageError):
            await world.provider.verify(world.token(ONE))
        assert world.asked == [page]


async def test_malformed_tokens_ask_no_provider(world):
    """The provider is not asked for a text that names no key. An issuer is https."""
    for text in ("", "a.b.c", "..", "e30.e30.e30"):
        with pytest.raises(AuthenticationError):
            await world.provider.verify(text)
    assert world.asked == []
    bad = ["", "login.example", "http://login.example", "ftp://x", "https://u:p@login.example"]
    refuse_each(
        FormatError,
        lambda issuer: Provider(Expected(issuer, "hening"), lambda: 0),
        bad,
        "https://HOST",
    )
