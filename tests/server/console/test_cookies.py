"""The way back after signing in is a page of the console, and nothing else."""

from types import SimpleNamespace

import pytest

from server.console.cookies import Cookies, Door, check_target


@pytest.mark.parametrize("path", ["/console/", "/console/channels/armani/id/stable/halt"])
def test_pages_of_the_console(path):
    """A path of ours is kept."""
    assert check_target(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/console",
        "//evil.example/console/",
        "/console//evil.example",
        "/console/../api/v1/me",
        "/console/./x",
        "https://evil.example/console/",
        "/console/\\evil.example",
        "/console/?to=x",
        "/console/#x",
        "/console/\r\nSet-Cookie: x",
        "/console/%2f%2fevil.example",
        "/console/x\n",
        "/console/" + "x" * 201,
        " /console/",
        "javascript:alert(1)",
    ],
)
def test_anything_else_is_forgotten(path):
    """Other sites, schemes, encoded and broken paths lead to the overview."""
    assert check_target(path) == ""


def test_attributes():
    """Over TLS the cookie is of this host alone; scripts and other sites never get it."""
    secure = Cookies(is_secure=True)
    assert secure.set_session("ab", 60) == (
        "__Host-hening-session=ab; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"
    )
    plain = Cookies(is_secure=False)
    assert plain.set_session("ab", 60) == (
        "hening-session=ab; Path=/; HttpOnly; SameSite=Lax; Max-Age=60"
    )
    assert secure.set_door(Door("cd", "/console/trail")).startswith(
        "__Host-hening-door=cd./console/trail; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age="
    )
    assert "cd" not in repr(Door("cd"))


@pytest.mark.parametrize("secret", ["", "x", "A" * 64, "0" * 63, "0" * 65, "\udcff\udcfe"])
def test_a_cookie_that_is_no_secret(secret):
    """Whatever octets it has, nobody is signed in, and nothing fails by it."""
    request = SimpleNamespace(cookies={"hening-session": secret})
    assert Cookies(is_secure=False).session(request) == ""
    request.cookies["hening-session"] = "0a" * 32
    assert Cookies(is_secure=False).session(request) == "0a" * 32
