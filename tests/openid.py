"""A real OpenID provider as a process, and a user who logs in."""

import base64
import hashlib
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import aiohttp

FOLDER = Path(__file__).parent / "oidc"
CALLBACK = "http://127.0.0.1/callback"


@contextmanager
def run_provider() -> Iterator[str]:
    """Run a provider until the block ends; yields its issuer."""
    with subprocess.Popen(
        ["node", "provider.mjs"],
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            assert line.startswith("http://127.0.0.1:"), "the provider did not start"
            yield line
        finally:
            process.kill()


async def log_in(issuer: str, user: str, client: str = "hening") -> dict[str, str]:
    """Go through the provider's pages as a browser would; return the token endpoint's answer."""
    verifier = "v" * 64
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "client_id": client,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "state": "state",
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    jar = aiohttp.CookieJar(unsafe=True)  # otherwise it would keep no cookie of an IP address
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        address = f"{issuer}/auth?{urlencode(query)}"
        form = None
        while not address.startswith(CALLBACK):
            method = "GET" if form is None else "POST"
            async with session.request(method, address, data=form, allow_redirects=False) as answer:
                page = await answer.text()
                assert answer.status < 400, page
                if answer.status in {302, 303}:
                    address, form = urljoin(address, answer.headers["Location"]), None
                    continue
            prompt = re.search(r'name="prompt" value="(\w+)"', page)
            action = re.search(r'<form[^>]* action="([^"]+)"', page)
            assert prompt is not None
            assert action is not None
            address = urljoin(address, action[1])
            form = {"prompt": prompt[1], "login": user, "password": "any"}
        code = parse_qs(urlsplit(address).query)["code"][0]
        async with session.post(
            f"{issuer}/token",
            data={
                "grant_type": "authorization_code",
                "client_id": client,
                "code": code,
                "code_verifier": verifier,
                "redirect_uri": CALLBACK,
            },
        ) as answer:
            given: dict[str, str] = await answer.json()
            assert answer.status == 200, given
            return given
