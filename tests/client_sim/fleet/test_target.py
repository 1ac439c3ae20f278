"""Servers that a fleet may poll."""

import pytest

from client_sim.fleet.errors import EnvironmentFailedError, TargetError
from client_sim.fleet.target import find_target
from tests.cases import case


def find(url, *, devices=10, may_leave=False, **resolver):
    """Find a target; `resolver` maps names, with underscores in place of dots."""
    names = {name.replace("_", "."): [address] for name, address in resolver.items()}
    return find_target(url, b"root", None, devices=devices, may_leave=may_leave, resolver=names)


def test_this_machine_is_allowed():
    """Any loopback address is allowed without TLS; the address decides, not the name."""
    for url in ("http://127.0.0.1:8080", "http://127.9.9.9:8080/"):
        target = find(url)
        assert target.is_local
        assert target.port == 8080
    target = find("http://updates.hening.example", updates_hening_example="127.0.0.1")
    assert (target.address, target.host_header) == ("127.0.0.1", "updates.hening.example")


def test_another_machine_needs_an_option():
    """The refusal names the option; with it only https and a small fleet are allowed."""
    for url in ("http://192.0.2.1:8080", "https://192.0.2.1", "http://[::2]:80"):
        with (
            case(url),
            pytest.raises(TargetError, match=r"not a server's URL|--load-another-machine"),
        ):
            find(url)
    with pytest.raises(TargetError, match="--load-another-machine"):
        find("https://localhost.example", localhost_example="198.51.100.7")
    with pytest.raises(TargetError, match="https"):
        find("http://192.0.2.1:8080", may_leave=True)
    assert not find("https://192.0.2.1", devices=20_000, may_leave=True).is_local
    with pytest.raises(TargetError, match="too many"):
        find("https://192.0.2.1", devices=20_001, may_leave=True)


def test_refused_urls():
    """Only scheme, host and port are allowed; a name without an address has another error."""
    for url in (
        *("ftp://127.0.0.1", "127.0.0.1:8080", "http://", "http://127.0.0.1:99999"),
        *("http://127.0.0.1/path", "http://127.0.0.1/?a=b", "http://user@127.0.0.1"),
    ):
        with case(url), pytest.raises(TargetError, match="is not a server's URL"):
            find(url)
    with pytest.raises(EnvironmentFailedError, match="has no address"):
        find("http://nowhere.invalid")
