"""The runbooks of docs/how-to/owners.md: the page's commands run, and no record is lost."""

import json
import re
import shlex
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from client_sim.cli import cli
from client_sim.cloud.account import Cloud
from client_sim.device.image import Image, ImageFacts, write_image
from tests.client_sim.cloud.phones import derive_cheaply, new_name, serve

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "owners.md").read_text(encoding="utf-8")
FACTS = ImageFacts("armani", "id", "stable", "updates.example", 80, tls=False, built_at=0)


def commands(title):
    """Return the commands of a section of the page."""
    section = re.search(rf"^## {title}$.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[0]
    return re.findall(r"^\$ (.*)$", section, re.MULTILINE)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Yield a running cloud with the real clock, which the commands use, too."""
    with serve(tmp_path_factory.mktemp("cloud")) as cloud:
        cloud.clock.seconds = int(time.time())
        yield cloud


class Owner:
    """An owner with a lost phone, a tablet, and twelve words on paper."""

    def __init__(self, region):
        self.region, self.name = region, new_name()
        Path("password").write_text("hollow marble quiet ladder")
        Path("new-password").write_text("amber window secret pilot")
        for home in ("lost", "tablet", "new"):
            write_image(Path(home) / "image", Image(FACTS, b"{}", b"", None))
            adding = ("id", region.origin, region.policy_key)
            self.run("regions", "--phone", home, "--add", *adding)
        who = ("--region", "id", "--name", self.name)
        self.run("sign-up", "--phone", "lost", *who, "--new-password-file", "password")
        self.run("consent", "--phone", "lost", "--age", "30", "--yes")
        said = self.run("words", "--phone", "lost", "--json")
        self.words = json.loads(said)["result"]["words"]
        typed = self.words.split()
        self.run("confirm-words", "--phone", "lost", "--password-file", "password", *typed)
        self.run("log-in", "--phone", "tablet", *who, "--password-file", "password")
        self.run("consent", "--phone", "tablet", "--age", "30", "--yes")
        self.run("note", "--phone", "lost", "--title", "Rice", "--text", "1 kg")
        for home in ("lost", "tablet"):
            self.run("on", "note", "--phone", home)
            self.run("sync", "--phone", home)

    def run(self, *words, status=0):
        """Run a phone's command in this process; returns its output."""
        done = CliRunner().invoke(cli, ["cloud", *words])
        assert done.exit_code == status, (words, done.output, done.exception)
        return done.output + (str(done.exception) if status else "")

    def play(self, title):
        """Run the commands of a runbook."""
        (lost,) = (
            each["id"]
            for each in json.loads(self.run("devices", "--phone", "lost", "--json"))["result"]
            if each["is_this"]
        )
        names = {"LOST": lost, "NEW-NAME": new_name(), "NAME": self.name}
        for line in commands(title):
            words = shlex.split(line)
            assert words[:2] == ["hening-device", "cloud"]
            filled = [names.get(word, word) for word in words[2:] if word != "WORDS"]
            if words[-1] == "WORDS":
                filled += self.words.split()
            said = self.run(*filled)
            if filled[0] == "words":
                self.words = said.splitlines()[1]

    def notes(self, home):
        """Return the titles on a phone."""
        return self.run("list", "note", "--phone", home)


@pytest.fixture
def owner(served, tmp_path, monkeypatch):
    """Return an owner in an empty folder; key stretching is as cheap as possible."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(Cloud.__init__.__kwdefaults__, "derive", derive_cheaply)
    return Owner(served.regions["id"])


def test_lost_phone(owner):
    """The lost phone is refused, its password is useless, and the tablet continues."""
    owner.play("A phone is lost")
    assert "Rice" in owner.notes("tablet")
    assert "logged out" in owner.run("sync", "--phone", "lost", status=1)
    who = ("--region", "id", "--name", owner.name, "--password-file", "password")
    assert "password is wrong" in owner.run("log-in", "--phone", "new", *who, status=1)


def test_lost_password(owner):
    """The words set a new password; every phone was logged out."""
    owner.play("The password is lost")
    assert "Rice" in owner.notes("tablet")
    assert "logged out" in owner.run("sync", "--phone", "lost", status=1)


def test_lost_phone_and_password(owner):
    """The words restore all records on a new phone."""
    owner.play("Phone and password are lost")
    assert "Rice" in owner.notes("new")
    assert "logged out" in owner.run("sync", "--phone", "tablet", status=1)


def test_everything_lost(owner):
    """A phone that still has the records makes a new account from them."""
    owner.play("Everything is lost")
    assert Path("mine.zip").is_file()
    assert "Rice" in owner.notes("tablet")
    said = json.loads(owner.run("status", "--phone", "tablet", "--json"))["result"]
    assert said["types"]["note"] == {"records": 1, "waiting": 0}
    assert said["account"] != owner.name
