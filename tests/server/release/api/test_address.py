"""How a command says which user runs it."""

import pytest

from server.release.api.address import decode_operator, encode_operator


@pytest.mark.parametrize("name", ["ani", "\u0634\u064a\u0646", "DOM\\a b", "50%", "a" * 64])
def test_any_users_name_fits_the_header(name):
    """A command sends ASCII, and the server decodes the name."""
    header = encode_operator(name)
    assert header.isascii()
    assert decode_operator(header) == name


@pytest.mark.parametrize("header", ["", "%ff", "%0a", "a" * 65, "\u00e9"])
def test_what_is_no_users_name(header):
    """It names no user, and the request needs a token."""
    assert decode_operator(header) == ""
