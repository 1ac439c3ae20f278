"""Addresses of webhooks: their syntax, and whether they are publicly routable."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from server.core.errors import FormatError

MAX_URL = 2000  # characters
_HOST = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_URL = re.compile(
    rf"(?P<scheme>https?)://(?:(?P<name>{_HOST})|\[(?P<six>[0-9a-f:.]{{2,45}})\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
_SPECIAL_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, where clouds keep their metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, AS112 and others
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)


def is_public(address: str) -> bool:
    """Answer whether an IP address in text form is publicly routable.

    IPv6 addresses that embed an IPv4 address (mapped, NAT64, 6to4, Teredo) or have a zone do not
    count as public.
    """
    try:
        found: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in network for network in _SPECIAL_V4)
    if found.scope_id is not None or found not in _GLOBAL_V6:
        return False
    return not any(found in network for network in _SPECIAL_V6)


def check_url(url: str, *, private: bool) -> None:
    """Raise FormatError unless a webhook may have this address.

    The form is `https://HOST[:PORT][/PATH][?QUERY]`, in lower case up to the path, without user or
    fragment. `http` is allowed only if `private` addresses are. Names are not resolved here: each
    delivery checks the address that it connects to.
    """
    match = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    if match is None or int(match["port"] or 1) > 65_535:
        raise FormatError(
            "a webhook's address is https://HOST[:PORT][/PATH][?QUERY], without user or fragment,"
            f" in ASCII and at most {MAX_URL} characters."
        )
    if match["scheme"] != "https" and not private:
        raise FormatError("a webhook's address begins with https://.")
    host = match["six"] or match["name"]
    is_literal = match["six"] is not None or _NUMERIC.fullmatch(host) is not None
    if is_literal and not _is_canonical(host):
        raise FormatError(
            "a webhook's address has a numeric host that is not an IP address in canonical form."
        )
    if is_literal and not private and not is_public(host):
        raise FormatError("a webhook's address is private: use a publicly routable one.")


def _is_canonical(host: str) -> bool:
    """Answer whether an IP literal is in canonical form, unlike `127.1` or `0x7f.1`."""
    try:
        return ip_network(host).network_address.compressed == host
    except ValueError:
        return False
