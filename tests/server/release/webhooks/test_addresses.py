"""Which addresses a webhook may have: the registries of special addresses, written out again."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError
from server.release.webhooks.addresses import check_url, is_public

#: First and last address of each block of IANA's IPv4 special-purpose registry, of multicast
#: (RFC 5771) and of what is reserved.
SPECIAL_V4 = [
    ("0.0.0.0", "0.255.255.255"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.31.196.0", "192.31.196.255"),
    ("192.52.193.0", "192.52.193.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("192.175.48.0", "192.175.48.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "255.255.255.255"),
]
SPECIAL_V6 = {
    "unspecified": "::",
    "loopback": "::1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped private": "::ffff:10.0.0.1",
    "mapped metadata": "::ffff:169.254.169.254",
    "mapped public": "::ffff:8.8.8.8",
    "compatible": "::127.0.0.1",
    "translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::7f00:1",
    "NAT64 of a public one": "64:ff9b::808:808",
    "local NAT64": "64:ff9b:1::a00:1",
    "discard": "100::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "benchmarks": "2001:2::1",
    "ORCHID": "2001:10::1",
    "ORCHID 2": "2001:20::1",
    "documentation": "2001:db8::1",
    "6to4 of loopback": "2002:7f00:1::1",
    "6to4 of a private one": "2002:a00:1::1",
    "AS112": "2620:4f:8000::1",
    "new documentation": "3fff::1",
    "segment routing": "5f00::1",
    "ULA": "fc00::1",
    "ULA of a cloud's metadata": "fd00:ec2::254",
    "link-local": "fe80::1",
    "link-local with a zone": "fe80::1%eth0",
    "public with a zone": "2a00:1450:4001::1%eth0",
    "site-local": "fec0::1",
    "multicast": "ff02::1",
    "all ones": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "unassigned": "4000::1",
}


@pytest.mark.parametrize(("first", "last"), SPECIAL_V4)
def test_a_special_block_is_private_to_its_edges(first, last):
    """First, last and middle are private; the neighbours are, where they are in another block."""
    low, high = int(IPv4Address(first)), int(IPv4Address(last))
    for number in (low, (low + high) // 2, high):
        assert not is_public(str(IPv4Address(number)))
    edges = [(int(IPv4Address(a)), int(IPv4Address(b))) for a, b in SPECIAL_V4]
    for number in {low - 1, high + 1} - {-1, 2**32}:
        expected = not any(a <= number <= b for a, b in edges)
        assert is_public(str(IPv4Address(number))) is expected


def test_ipv4_addresses_all_over_the_space():
    """Of each of the 16,384 blocks of 2**18 addresses the first and the last are as listed."""
    edges = [(int(IPv4Address(a)), int(IPv4Address(b))) for a, b in SPECIAL_V4]
    for start in range(0, 2**32, 2**18):
        for number in (start, start + 0x3FFFF):
            expected = not any(a <= number <= b for a, b in edges)
            assert is_public(str(IPv4Address(number))) is expected


@given(st.ip_addresses(v=4))
def test_pythons_own_opinion(address):
    """What Python calls global and is no multicast, AS112, AMT or 6to4 relay is public."""
    ours = [IPv4Network(n) for n in ("192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24")]
    ours += [IPv4Network("192.88.99.0/24"), IPv4Network("192.0.0.0/24")]
    if not any(address in network for network in ours):
        assert is_public(str(address)) is (address.is_global and not address.is_multicast)


@pytest.mark.parametrize("address", SPECIAL_V6.values(), ids=SPECIAL_V6.keys())
def test_special_ipv6_addresses_are_private(address):
    """Nothing outside the space for everybody is public, nor what carries an IPv4 address."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.216.34",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        "2001:200::",
    ],
)
def test_public_addresses(address):
    """Well-known services of the Internet are public."""
    assert is_public(address)


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_is_public_that_python_calls_private(address):
    """The second opinion may be stricter nowhere."""
    if not address.is_global or address not in IPv6Network("2000::/3"):
        assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_is_never_public(address):
    """Mapped, translated, NAT64 and 6to4 forms of any address are private."""
    number = int(address)
    for high in (0xFFFF << 32, 0xFFFF << 48, 0x64FF9B << 96):
        assert not is_public(str(IPv6Address(high | number)))
    assert not is_public(str(IPv6Address(0x2002 << 112 | number << 80 | 1)))


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "2130706433", "1.1.1.1 "])
def test_what_is_no_address_is_not_public(text):
    """Names and abbreviated numbers are not taken for addresses."""
    assert not is_public(text)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org",
        "https://hooks.example.org:8443/a/b?c=d&e",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]:444/x",
        "https://a.example/" + "a" * 1982,
    ],
    ids=["bare", "port, path and query", "IPv4", "IPv6", "2,000 characters"],
)
def test_addresses_that_a_webhook_may_have(url):
    """A URL in its plain form is taken."""
    check_url(url, private=False)


REFUSED = {
    "http": "http://hooks.example.org/",
    "another scheme": "ftp://hooks.example.org/",
    "a file": "file:///etc/passwd",
    "no scheme": "hooks.example.org",
    "user": "https://user@hooks.example.org/",
    "user and password": "https://user:pw@hooks.example.org/",
    "fragment": "https://hooks.example.org/#x",
    "backslash": "https://hooks.example.org\\@127.0.0.1/",
    "space": "https://hooks.example.org/a b",
    "line break": "https://hooks.example.org/a\r\nHost: x",
    "NUL": "https://hooks.example.org/\0",
    "not ASCII": "https://höoks.example.org/",
    "full-width digits": "https://127.0.0.\uff11/",
    "upper-case host": "https://Hooks.example.org/",
    "port 0": "https://hooks.example.org:0/",
    "port 65536": "https://hooks.example.org:65536/",
    "empty port": "https://hooks.example.org:/",
    "empty host": "https:///x",
    "loopback": "https://127.0.0.1/",
    "metadata": "https://169.254.169.254/latest/meta-data",
    "carrier-grade NAT": "https://100.64.0.1/",
    "private": "https://10.0.0.1/",
    "any": "https://0.0.0.0/",
    "short loopback": "https://127.1/",
    "decimal loopback": "https://2130706433/",
    "hexadecimal loopback": "https://0x7f000001/",
    "hexadecimal parts": "https://0x7f.0.0.1/",
    "octal loopback": "https://0177.0.0.1/",
    "loopback with a final dot": "https://127.0.0.1./",
    "IPv6 loopback": "https://[::1]/",
    "IPv6 mapped": "https://[::ffff:127.0.0.1]/",
    "IPv6 mapped in hex": "https://[::ffff:7f00:1]/",
    "IPv6 NAT64": "https://[64:ff9b::7f00:1]/",
    "IPv6 ULA": "https://[fd00::1]/",
    "IPv6 in long form": "https://[2606:4700:4700:0:0:0:0:1111]/",
    "IPv6 zone": "https://[fe80::1%25eth0]/",
    "IPv6 nonsense": "https://[:::]/",
    "2,001 characters": "https://a.example/" + "a" * 1983,
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED.keys())
def test_addresses_that_no_webhook_may_have(url):
    """Every other form is refused when the webhook is made, and the URL is not in the sentence."""
    with pytest.raises(FormatError) as refused:
        check_url(url, private=False)
    assert url not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "http://intra/", "https://[::1]/"])
def test_private_addresses_where_they_are_allowed(url):
    """With the setting, loopback, names without dots and plain HTTP are taken."""
    check_url(url, private=True)


@pytest.mark.parametrize("url", ["http://127.1/", "http://user@intra/", "gopher://intra/"])
def test_odd_forms_stay_refused(url):
    """The setting allows private addresses and no odd forms."""
    with pytest.raises(FormatError):
        check_url(url, private=True)
