"""Keys and expiry: what a person signs next, and with which command."""

import re

import pytest

from server.console.keys import describe_role

DAY = 86_400


async def test_the_soonest_first(world, team):
    """Roles of people by the days that are left, each with how many of which keys sign it.

    Everything that expires within 30 days, and nothing else, is one command.
    """
    browser = await team.signed_in("viewer")
    page = await browser.get("/console/keys")
    assert "Nothing has to be signed in the next 30 days" in page.text
    people, _, server = page.text.partition("Renewed by this server")
    days = dict(re.findall(r"(\w+) version \d+ .*?(\d+ days) \d{4}-", people))
    assert list(days)[-1] == "root"
    assert days == {
        **dict.fromkeys(["armani", "cancro", "content", "tables", "targets"], "90 days"),
        "root": "365 days",
    }
    assert re.search(r"timestamp version \d+ that the list is fresh 24 h \d{4}-", server)
    assert "2 of 3" in people
    for signer in world.ceremony.keys["root"]:
        assert signer.public_key.keyid[:16] in people
    assert [word for word in ("latest", "snapshot", "timestamp") if f"{word} version" in server]
    assert "latest version" not in people
    team.api.ahead(61 * DAY)
    text = (await (await team.signed_in("viewer")).get("/console/keys")).text
    assert "Sign these again" in text
    renew = "hening-signer ceremony renew armani cancro content tables targets"
    assert f"{renew} --propose renewal.json" in text
    # The root lies where a quickstart put it, and `hening.toml` names the server's folder.
    assert "ceremony sign renewal.json --root repo/metadata/1.root.json --out NAME.sig" in text
    assert "submit renewal.json rm renewal.json NAME.sig Run the commands in the folder" in text


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("root", "the keys that all trust starts from"),
        ("latest-a", "what is offered in which channel"),
        ("armani", "the builds of armani"),
        ("content", "packs with notices, pictures and themes"),
    ],
)
def test_roles_in_words(role, words):
    """A person who knows no TUF is told what a role is."""
    assert describe_role(role) == words
