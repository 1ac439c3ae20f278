"""`hening-device content`: what it prints about a phone on disk that polled once."""

import contextlib
import datetime as dt
import hashlib
import json
import threading
import time
import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner

from client_sim.cli import cli
from client_sim.content.kinds import KINDS
from client_sim.content.store import Store
from client_sim.device.phone import Phone
from client_sim.device.records import hold_folder
from client_sim.device.reset import reset_phone
from tests.client_sim.content.packs import put_file, put_pack
from tests.client_sim.device import shop
from tests.client_sim.device.fake_world import HOST
from tests.client_sim.device.repository_simulator import Repository
from tests.client_sim.device.web_server import serve
from tests.server.core.content.samples import NEWS, PICTURE, entries_of, jpeg

RESOLVE = f"--resolve={HOST}=127.0.0.1"
OTHER = {"ID": {"exact": False, "numbers": ["113"]}}


class Town:
    """A phone on disk and the server that it asks."""

    def __init__(self, folder, server):
        self.phone = folder / "phone"
        self.server = server
        self.repository = server.repository
        for kind in KINDS:
            pictures = {"waves": PICTURE} if kind == "wallpapers" else {}
            put_pack(
                self.repository, kind, entries_of(kind), pictures=pictures, hosts=["example.com"]
            )
        self.repository.publish("tables", "content")
        shop.make_phone(self.phone, self.repository, server.port)
        self.poll()

    def poll(self):
        """Let the phone poll; the outcome."""
        phone = Phone(self.phone, resolver={HOST: ["127.0.0.1"]}, now=lambda: float(shop.NOW))
        outcome = phone.poll()
        assert outcome.failure is None
        return outcome

    def publish(self, kind, entries, **options):
        """Publish version 2 of a pack, and poll."""
        put_pack(self.repository, kind, entries, 2, **options)
        self.repository.publish(KINDS[kind].role)
        self.poll()

    def run(self, *arguments):
        """Run a command about the phone's content."""
        length = 2 if arguments[0] in {"wallpapers", "ca"} else 1
        command, rest = arguments[:length], arguments[length:]
        line = ["content", *command, "--phone", self.phone, *rest]
        return CliRunner().invoke(cli, [str(word) for word in line])

    def tell(self, *arguments):
        """Return what a command prints."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def read(self, *arguments):
        """Return what a command prints for programs."""
        return json.loads(self.tell(*arguments, "--json"))


@pytest.fixture
def town(tmp_path):
    """Make a phone that has polled once."""
    with serve(Repository(shop.NOW)) as server:
        yield Town(tmp_path, server)


def test_questions_are_answered_without_asking_anybody(town):
    """Each for people and for programs; the server hears nothing.

    The list names kind, role, versions, title in the owner's language, source and licence.
    """
    asked = len(town.server.received)
    lines = town.tell("list", "--locale", "id-ID").splitlines()
    assert len(lines) == 1 + len(KINDS)
    assert " ".join(lines[1].split()) == "apn tables 1 - - Paket hand-made 1 (CC0-1.0)"
    assert town.read("list")["zones"]["used"]["version"] == 1
    text = town.tell("greetings", "--locale", "id-ID", "--date", "2026-01-01")
    assert text == "New Year (today, id): Selamat\ntahun baru!\n"
    assert town.tell("greetings", "--date", "2026-01-02") == "No greeting fits this day.\n"
    assert town.read("greetings", "--locale", "id-ID", "--date", "2026-01-01")[0]["is_today"]
    assert "internet  default,supl" in town.tell("apn", "510", "10")
    assert town.read("apn", "510", "10")[1]["mmsport"] == 8000
    assert town.tell("emergency", "ID") == "ID: 110 112\n"
    assert town.tell("emergency", "id", "112") == "112 is an emergency number in ID.\n"
    assert town.tell("emergency", "ID", "1120") == "1120 is no emergency number in ID.\n"
    assert not town.read("emergency", "ID", "113")["emergency"]
    moment = ("--at", "2026-01-01T00:00:00")
    said = "WIB at 2026-01-01 00:00:00 UTC: UTC+07:00 (+07)\n"
    assert town.tell("zone", "WIB", *moment) == said
    assert town.read("zone", "WIB", *moment)["offset"] == 25_200
    assert "2026-01-01  Tahun Baru" in town.tell("holidays", "ID", "2026", "--locale", "id")
    assert town.read("holidays", "ID", "2026")[0]["day"] == "2026-01-01"
    for kind in ("notices", "features"):
        told = town.tell(kind, "--date", "2026-02-01")
        assert told.startswith("[info] 2026-01-05 News\n    Two lines.\n    No more.\n")
        assert "nothing to show" in town.tell(kind, "--date", "2026-12-31")
        assert town.read(kind, "--locale", "id", "--date", "2026-02-01")[0]["title"] == "Kabar"
    assert "sea" in town.tell("themes")
    assert town.read("themes")["sea"]["wallpaper"] == "waves"
    assert "64x64" in town.tell("wallpapers", "list")
    check_android_form(town.tell("apn", "510", "10", "--xml"))
    check_what_is_not_there(town)
    assert len(town.server.received) == asked


def test_what_comes_next_is_listed(town):
    """A pack that waits for its share, and one that was withdrawn."""
    town.publish("emergency", OTHER, rollout=[[0, 0]])
    assert "2: ready, waits for its share" in town.tell("list")
    town.publish("emergency", OTHER, rollout=[[0, 0]], withdrawn=[2])
    assert "2: withdrawn" in town.tell("list")


def check_android_form(text):
    """Require an XML that Android's parser takes: attributes, and numbers for words."""
    root = ET.fromstring(text)
    assert root.tag == "apns"
    assert [apn.get("type") for apn in root] == ["default,supl", "mms"]
    expected = (
        '<apn carrier="Telkomsel" mcc="510" mnc="10" apn="mms" mmsc="http://mms.example.com/"'
        ' mmsport="8000" authtype="1" protocol="IPV4V6" type="mms"/>'
    )
    assert root[1].attrib == ET.fromstring(expected).attrib


def test_access_points_of_a_country(town):
    """Those of its networks whose numbers are not known; they have no form of Android's."""
    entries = entries_of("apn")
    town.publish("apn", {**entries, "DE": entries["510-10"]})
    assert town.read("apn", "DE") == town.read("apn", "de") == town.read("apn", "510", "10")
    result = town.run("apn", "DE", "--xml")
    assert result.exit_code == 2
    assert "needs the numbers of a network" in result.output


def check_what_is_not_there(town):
    """Require status 1 and a sentence."""
    for arguments, sentence in (
        (("apn", "999", "99"), "no access points of the network 999-99"),
        (("apn", "BR"), "no access points of networks of BR without numbers"),
        (("emergency", "XX"), "no emergency numbers of XX"),
        (("zone", "Mars/Base"), "no time zone 'Mars/Base'"),
        (("holidays", "ID", "1999"), "no holidays of ID in 1999"),
        (("ca", "diff"), "no previous pack"),
        (("rollback", "zones"), "no previous pack"),
        (("wallpapers", "get", "none", "--out", "x"), "no wallpaper 'none'"),
    ):
        result = town.run(*arguments)
        assert result.exit_code == 1
        assert sentence in str(result.exception)


def test_certificates_are_compared(town, tmp_path):
    """With the pack before, and with a file."""
    key, entry = next(iter(entries_of("ca").items()))
    town.publish("ca", {})
    assert town.tell("ca", "diff") == f"- {key[:16]}  Root\n0 added, 1 removed, 0 in both\n"
    pem = tmp_path / "own.pem"
    pem.write_text(f"-----BEGIN CERTIFICATE-----\n{entry['der']}\n-----END CERTIFICATE-----\n")
    assert town.read("ca", "diff", "--pem", pem)["removed"] == {key: "CN=Root"}
    pem.write_text("nothing")
    assert town.run("ca", "diff", "--pem", pem).exit_code == 1


def test_a_wallpaper_is_one_request_of_its_own(town, tmp_path):
    """By its hash, in the poll's manner; what is not the signed picture is not written."""
    out = tmp_path / "waves.jpg"
    before = len(town.server.received)
    assert "64x64" in town.tell("wallpapers", "get", "waves", "--out", out, RESOLVE)
    assert out.read_bytes() == PICTURE
    (data,) = town.server.received[before:]
    path = next(path for path in town.repository.files if path.endswith(".waves.jpg"))
    assert data.decode() == (
        f"GET {path} HTTP/1.1\r\nHost: {HOST}:{town.server.port}\r\nAccept-Encoding: gzip\r\n\r\n"
    )
    town.repository.files[path] = PICTURE[:-1] + b"\x00"
    other = tmp_path / "other.jpg"
    assert town.run("wallpapers", "get", "waves", "--out", other, RESOLVE).exit_code == 1
    assert not other.exists()


@pytest.mark.parametrize("change", ["gone", "another", "same"])
def test_a_picture_that_is_listed_no_more_is_not_asked_for(town, tmp_path, change):
    """It would tell that this phone still uses the pack from before; one that is still listed not.

    Whoever uses either pack asks for that with the same bytes.
    """
    entries, pictures = entries_of("wallpapers"), {"waves": PICTURE}
    if change == "another":
        pictures = {"waves": jpeg(128, 64)}
        sha256 = hashlib.sha256(pictures["waves"]).hexdigest()
        entries["waves"] |= {"width": 128, "length": len(pictures["waves"]), "sha256": sha256}
    elif change == "gone":
        entries, pictures = {}, {}
        del town.repository.signed["content"].targets["content/wallpapers/waves.jpg"]
    town.publish("wallpapers", entries, pictures=pictures, rollout=[[0, 0]])
    assert town.read("list")["wallpapers"]["used"]["version"] == 1
    assert "waves" in town.read("wallpapers", "list")
    before = len(town.server.received)
    result = town.run("wallpapers", "get", "waves", "--out", tmp_path / "w.jpg", RESOLVE)
    if change == "same":
        assert "64x64" in result.output
        return
    assert result.exit_code == 1
    assert "waves is not listed any more" in str(result.exception)
    assert len(town.server.received) == before


def test_a_picture_with_something_in_it_is_not_written(town, tmp_path):
    """Also one that was signed: the phone looks itself."""
    entries = entries_of("wallpapers")
    lying = PICTURE + b"PK\3\4"
    sha256 = put_file(town.repository, "content/wallpapers/waves.jpg", lying)
    entries["waves"] |= {"length": len(lying), "sha256": sha256}
    town.publish("wallpapers", entries, pictures={"waves": lying})
    assert town.read("list")["wallpapers"]["used"]["version"] == 2
    out = tmp_path / "waves.jpg"
    assert town.run("wallpapers", "get", "waves", "--out", out, RESOLVE).exit_code == 1
    assert not out.exists()


def test_what_is_damaged_is_told_and_comes_again(town):
    """As often as it is asked for; what a poll does about it does not depend on that."""
    (town.phone / "state" / "contents.tables").write_bytes(b"x")
    before = shop.digest_tree(town.phone)
    for _ in range(2):
        assert "copy of tables is damaged" in str(town.run("emergency", "ID").exception)
    (town.phone / "state" / "contents.content").write_bytes(b"x")
    assert "copy of content is damaged" in town.run("list").stderr
    assert shop.digest_tree(town.phone).keys() == before.keys()
    town.poll()
    assert town.tell("emergency", "ID") == "ID: 110 112\n"
    assert not town.run("list").stderr


def test_a_command_in_a_poll_changes_nothing(town, monkeypatch):
    """It is told to come again; questions are answered. The poll ends well and so does the next.

    Behind it the owner turns the pack back, which later polls leave alone.
    """
    town.publish("emergency", OTHER)
    zones = {**entries_of("zones"), "Asia/Pontianak": entries_of("zones")["WIB"]}
    put_pack(town.repository, "zones", zones, 2)
    town.repository.publish("tables")
    keep_part, found = Store.keep_part, []

    def keep_part_and_ask(store, sha256, data):
        keep_part(store, sha256, data)
        monkeypatch.setattr(Store, "keep_part", keep_part)
        found.append(town.run("rollback", "emergency"))
        before = shop.digest_tree(town.phone)
        found.append(town.tell("emergency", "ID"))
        assert shop.digest_tree(town.phone) == before

    monkeypatch.setattr(Store, "keep_part", keep_part_and_ask)
    assert not town.poll().warnings
    assert found[0].exit_code == 1
    assert "A poll is changing the packs of this phone" in str(found[0].exception)
    assert found[1].startswith("ID: 113")
    assert town.read("list")["zones"]["used"]["version"] == 2
    assert not [path for path in town.poll().requests if path.startswith("/targets/")]
    assert "again" in town.tell("rollback", "emergency")
    town.poll()
    assert town.tell("emergency", "ID") == "ID: 110 112\n"
    assert "2: turned back" in town.tell("list")


def test_what_a_poll_may_be_changing_is_not_called_damaged(town):
    """A part that is missing while somebody has the folder: the question is told to come again."""
    (part, *_) = town.read("list")["emergency"]["used"]["parts"]
    (town.phone / "state" / f"part.{part['sha256']}").unlink()
    before = shop.digest_tree(town.phone)
    with hold_folder(town.phone, waits=False):
        assert "A poll is changing" in str(town.run("emergency", "ID").exception)
    assert shop.digest_tree(town.phone) == before
    for _ in range(2):
        assert "copy of emergency is damaged" in str(town.run("emergency", "ID").exception)
    assert shop.digest_tree(town.phone) == before
    assert town.poll().warnings
    assert town.tell("emergency", "ID") == "ID: 110 112\n"


def test_polls_resets_and_installations_wait_for_each_other(town):
    """None of them begins while somebody else has the folder."""
    asked = len(town.server.received)
    waiting = threading.Thread(target=town.poll)
    resetting = threading.Thread(target=reset_phone, args=[town.phone])
    with hold_folder(town.phone, waits=False):
        waiting.start()
        waiting.join(0.2)
        resetting.start()
        resetting.join(0.2)
        assert waiting.is_alive()
        assert resetting.is_alive()
        assert len(town.server.received) == asked
        assert list((town.phone / "state").iterdir())
    waiting.join(30)
    resetting.join(30)
    assert len(town.server.received) > asked


def test_a_question_under_a_wrong_clock_leaves_nothing_behind(town, monkeypatch):
    """It is answered by that clock; when that is right again, everything is as it was."""
    later = {"start": shop.NOW + 86_400, "end": shop.NOW + 2 * 86_400}
    town.publish("emergency", OTHER, **later)
    before = shop.digest_tree(town.phone)
    for days, said in ((0, "110"), (1, "113"), (2, "110"), (0, "110")):
        moment = float(shop.NOW + 86_400 * days)
        monkeypatch.setattr("client_sim.content.shelf.read_clock", lambda at=moment: at)
        assert town.tell("emergency", "ID").startswith(f"ID: {said}")
    assert shop.digest_tree(town.phone) == before


DAYS = {
    **entries_of("greetings"),
    "occasion/new-year": {"days": {"*": ["2027-01-01", "2027-01-15"]}, "name": {"en": "New Year"}},
}


def test_today_is_the_owners_day(town, monkeypatch):
    """By this machine's zone or the one that is named; never before what is known to be past."""
    put_pack(town.repository, "greetings", DAYS, 2)
    news = {"new": NEWS | {"published": "2027-01-01", "end": "2027-02-01"}}
    town.publish("notices", news)
    asked = len(town.server.received)
    clock = [dt.datetime(2026, 12, 31, 18, tzinfo=dt.UTC).timestamp()]
    monkeypatch.setattr("client_sim.content.shelf.read_clock", lambda: clock[0])
    with machine_zone(monkeypatch, "UTC0"):
        assert "New Year" not in town.tell("greetings", "--locale", "id")
        assert "New Year (today" in town.tell("greetings", "--locale", "id", "--zone", "WIB")
        assert "News" in town.tell("notices", "--zone", "Asia/Jakarta")
        assert "nothing to show" in town.tell("notices")
        assert "no time zone 'Mars'" in str(town.run("features", "--zone", "Mars").exception)
    with machine_zone(monkeypatch, "WIB-7"):
        assert "New Year (today" in town.tell("greetings", "--locale", "id")
        clock[0] = 0.0
        assert "New Year" not in town.tell("greetings", "--locale", "id")
        (town.phone / "state" / "clock").write_bytes(b"1800000000")  # 2027-01-15 08:00 UTC
        assert "New Year (today" in town.tell("greetings", "--locale", "id")
        assert "2027-01-15 08:00:00 UTC" in town.tell("zone", "WIB")
    assert len(town.server.received) == asked


@contextlib.contextmanager
def machine_zone(monkeypatch, rule):
    """Let the machine be in a zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", rule)
        time.tzset()
        yield
    time.tzset()
