"""The console's address: configured, or loopback."""

import re
from pathlib import Path

import pytest

from server.console.page import find_address
from server.core.errors import FormatError
from server.release.api.problems import ProblemError
from server.settings import Settings, load_settings


def test_unconfigured_address_is_loopback():
    """Without a configured address only loopback names are accepted, against DNS rebinding.

    Any other Host gets 421.
    """
    address = find_address(Settings(console=True))
    assert not address.is_secure
    for host in ("127.0.0.1:8090", "localhost", "[::1]:8090", "127.0.0.1"):
        assert address.origin(host) == f"http://{host}"
    for host in ("", "evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[", "[::1", "]:1"):
        with pytest.raises(ProblemError) as refused:
            address.origin(host)
        assert refused.value.status == 421


def test_configured_address_ignores_host():
    """With a configured address, Host is ignored."""
    address = find_address(
        Settings(console_url="https://control.example:8443/", api_behind_proxy=True)
    )
    assert address.origin("evil.example") == "https://control.example:8443"
    assert address.is_secure


def test_address_is_required_beyond_loopback():
    """With TLS, a proxy or another interface, the address must be configured."""
    for settings in (
        {"api_host": "0.0.0.0"},
        {"api_behind_proxy": True},
        {"api_cert": "cert.pem", "api_key": "key.pem"},
    ):
        with pytest.raises(FormatError, match="console_url"):
            find_address(Settings(console=True, **settings))


def test_invalid_addresses_are_refused():
    """Plain HTTP beyond loopback, paths, users and odd spellings are refused."""
    for url in (
        "http://control.example",
        "https://control.example/console",
        "https://user@control.example",
        "https://Control.example",
        "https://control.example?x",
        "control.example",
        "https://",
        "javascript:alert(1)",
    ):
        with pytest.raises(FormatError, match="console_url"):
            find_address(Settings(console_url=url))


def test_example_in_the_docs(tmp_path):
    """The example in docs/how-to/console.md is valid, with an address that browsers trust."""
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "console.md").read_text(
        encoding="utf-8"
    )
    blocks = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (block,) = [text for text in blocks if "console_url" in text]
    file = tmp_path / "settings.toml"
    file.write_text(block)
    settings = load_settings(file, {})
    assert settings.console
    address = find_address(settings)
    assert address.url == "https://control.rom.example"
    assert f"`{address.url}/console/callback`" in page
