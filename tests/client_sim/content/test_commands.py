"""`hening-device content` on a phone on disk that polled once."""

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
from client_sim.device.records import lock_folder
from client_sim.device.reset import reset_phone
from tests.client_sim.content.packs import put_file, put_pack
from tests.client_sim.device import shop
from tests.client_sim.device.fake_world import HOST
from tests.client_sim.device.repository_simulator import Repository
from tests.client_sim.device.web_server import serve
from tests.client_sim.engine.streamed import snapshot
from tests.server.core.content.samples import NEWS, PICTURE, entries_of, jpeg

RESOLVE = f"--resolve={HOST}=127.0.0.1"
OTHER = {"ID": {"exact": False, "numbers": ["113"]}}


class Site:
    """A phone on disk and the server that it polls."""

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
        """Let the phone poll; return the outcome."""
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

    def show(self, *arguments):
        """Run a command and return its output."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def read(self, *arguments):
        """Run a command and return its JSON output."""
        return json.loads(self.show(*arguments, "--json"))


@pytest.fixture
def site(tmp_path):
    """Make a phone that has polled once."""
    with serve(Repository(shop.NOW)) as server:
        yield Site(tmp_path, server)


def test_queries_send_no_request(site):
    """Each query has an output for people and one for programs.

    The list has kind, role, versions, title in the owner's language, source and licence.
    """
    asked = len(site.server.received)
    lines = site.show("list", "--locale", "id-ID").splitlines()
    assert len(lines) == 1 + len(KINDS)
    assert " ".join(lines[1].split()) == "apn tables 1 - - Paket hand-made 1 (CC0-1.0)"
    assert site.read("list")["zones"]["used"]["version"] == 1
    text = site.show("greetings", "--locale", "id-ID", "--date", "2026-01-01")
    assert text == "New Year (today, id): Selamat\ntahun baru!\n"
    assert site.show("greetings", "--date", "2026-01-02") == "No greeting fits this day.\n"
    assert site.read("greetings", "--locale", "id-ID", "--date", "2026-01-01")[0]["is_today"]
    assert "internet  default,supl" in site.show("apn", "510", "10")
    assert site.read("apn", "510", "10")[1]["mmsport"] == 8000
    assert site.show("emergency", "ID") == "ID: 110 112\n"
    assert site.show("emergency", "id", "112") == "112 is an emergency number in ID.\n"
    assert site.show("emergency", "ID", "1120") == "1120 is no emergency number in ID.\n"
    assert not site.read("emergency", "ID", "113")["emergency"]
    moment = ("--at", "2026-01-01T00:00:00")
    line = "WIB at 2026-01-01 00:00:00 UTC: UTC+07:00 (+07)\n"
    assert site.show("zone", "WIB", *moment) == line
    assert site.read("zone", "WIB", *moment)["offset"] == 25_200
    assert "2026-01-01  Tahun Baru" in site.show("holidays", "ID", "2026", "--locale", "id")
    assert site.read("holidays", "ID", "2026")[0]["day"] == "2026-01-01"
    for kind in ("notices", "features"):
        shown = site.show(kind, "--date", "2026-02-01")
        assert shown.startswith("[info] 2026-01-05 News\n    Two lines.\n    No more.\n")
        assert "nothing to show" in site.show(kind, "--date", "2026-12-31")
        assert site.read(kind, "--locale", "id", "--date", "2026-02-01")[0]["title"] == "Kabar"
    assert "sea" in site.show("themes")
    assert site.read("themes")["sea"]["wallpaper"] == "waves"
    assert "64x64" in site.show("wallpapers", "list")
    check_android_form(site.show("apn", "510", "10", "--xml"))
    check_missing_entries(site)
    assert len(site.server.received) == asked


def test_next_pack_is_listed(site):
    """A pack may wait for its share, or be withdrawn."""
    site.publish("emergency", OTHER, rollout=[[0, 0]])
    assert "2: ready, waits for its share" in site.show("list")
    site.publish("emergency", OTHER, rollout=[[0, 0]], withdrawn=[2])
    assert "2: withdrawn" in site.show("list")


def check_android_form(text):
    """Check for Android's XML: attributes, with numbers in place of words."""
    root = ET.fromstring(text)
    assert root.tag == "apns"
    assert [apn.get("type") for apn in root] == ["default,supl", "mms"]
    expected = (
        '<apn carrier="Telkomsel" mcc="510" mnc="10" apn="mms" mmsc="http://mms.example.com/"'
        ' mmsport="8000" authtype="1" protocol="IPV4V6" type="mms"/>'
    )
    assert root[1].attrib == ET.fromstring(expected).attrib


def test_access_points_of_a_country(site):
    """Networks without known numbers are listed by country, and have no XML form."""
    entries = entries_of("apn")
    site.publish("apn", {**entries, "DE": entries["510-10"]})
    assert site.read("apn", "DE") == site.read("apn", "de") == site.read("apn", "510", "10")
    result = site.run("apn", "DE", "--xml")
    assert result.exit_code == 2
    assert "needs the numbers of a network" in result.output


def check_missing_entries(site):
    """Check that missing entries are status 1 with a sentence."""
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
        result = site.run(*arguments)
        assert result.exit_code == 1
        assert sentence in str(result.exception)


def test_certificates_are_compared(site, tmp_path):
    """Certificates are compared with the previous pack, or with a file."""
    key, entry = next(iter(entries_of("ca").items()))
    site.publish("ca", {})
    assert site.show("ca", "diff") == f"- {key[:16]}  Root\n0 added, 1 removed, 0 in both\n"
    pem = tmp_path / "own.pem"
    pem.write_text(f"-----BEGIN CERTIFICATE-----\n{entry['der']}\n-----END CERTIFICATE-----\n")
    assert site.read("ca", "diff", "--pem", pem)["removed"] == {key: "CN=Root"}
    pem.write_text("nothing")
    assert site.run("ca", "diff", "--pem", pem).exit_code == 1


def test_download_of_a_wallpaper(site, tmp_path):
    """It is one request with a poll's headers; bytes that were not signed are not written."""
    out = tmp_path / "waves.jpg"
    before = len(site.server.received)
    assert "64x64" in site.show("wallpapers", "get", "waves", "--out", out, RESOLVE)
    assert out.read_bytes() == PICTURE
    (data,) = site.server.received[before:]
    path = next(path for path in site.repository.files if path.endswith(".waves.jpg"))
    assert data.decode() == (
        f"GET {path} HTTP/1.1\r\nHost: {HOST}:{site.server.port}\r\nAccept-Encoding: gzip\r\n\r\n"
    )
    site.repository.files[path] = PICTURE[:-1] + b"\x00"
    other = tmp_path / "other.jpg"
    assert site.run("wallpapers", "get", "waves", "--out", other, RESOLVE).exit_code == 1
    assert not other.exists()


@pytest.mark.parametrize("change", ["gone", "another", "same"])
def test_picture_that_is_no_longer_listed(site, tmp_path, change):
    """Requesting it would show that this phone still uses the previous pack.

    A picture that both packs list is requested with the same bytes by phones with either.
    """
    entries, pictures = entries_of("wallpapers"), {"waves": PICTURE}
    if change == "another":
        pictures = {"waves": jpeg(128, 64)}
        sha256 = hashlib.sha256(pictures["waves"]).hexdigest()
        entries["waves"] |= {"width": 128, "length": len(pictures["waves"]), "sha256": sha256}
    elif change == "gone":
        entries, pictures = {}, {}
        del site.repository.signed["content"].targets["content/wallpapers/waves.jpg"]
    site.publish("wallpapers", entries, pictures=pictures, rollout=[[0, 0]])
    assert site.read("list")["wallpapers"]["used"]["version"] == 1
    assert "waves" in site.read("wallpapers", "list")
    before = len(site.server.received)
    result = site.run("wallpapers", "get", "waves", "--out", tmp_path / "w.jpg", RESOLVE)
    if change == "same":
        assert "64x64" in result.output
        return
    assert result.exit_code == 1
    assert "waves is not listed any more" in str(result.exception)
    assert len(site.server.received) == before


def test_picture_with_appended_data_is_not_written(site, tmp_path):
    """The phone checks signed pictures, too."""
    entries = entries_of("wallpapers")
    lying = PICTURE + b"PK\3\4"
    sha256 = put_file(site.repository, "content/wallpapers/waves.jpg", lying)
    entries["waves"] |= {"length": len(lying), "sha256": sha256}
    site.publish("wallpapers", entries, pictures={"waves": lying})
    assert site.read("list")["wallpapers"]["used"]["version"] == 2
    out = tmp_path / "waves.jpg"
    assert site.run("wallpapers", "get", "waves", "--out", out, RESOLVE).exit_code == 1
    assert not out.exists()


def test_damaged_records_are_fetched_again(site):
    """Queries report the damage each time and change nothing; the next poll repairs it."""
    (site.phone / "state" / "contents.tables").write_bytes(b"x")
    before = snapshot(site.phone)
    for _ in range(2):
        assert "copy of tables is damaged" in str(site.run("emergency", "ID").exception)
    (site.phone / "state" / "contents.content").write_bytes(b"x")
    assert "copy of content is damaged" in site.run("list").stderr
    assert snapshot(site.phone).keys() == before.keys()
    site.poll()
    assert site.show("emergency", "ID") == "ID: 110 112\n"
    assert not site.run("list").stderr


def test_commands_during_a_poll(site, monkeypatch):
    """A rollback is refused, queries are answered, and the poll succeeds.

    Afterwards the owner rolls the pack back, and later polls keep that.
    """
    site.publish("emergency", OTHER)
    zones = {**entries_of("zones"), "Asia/Pontianak": entries_of("zones")["WIB"]}
    put_pack(site.repository, "zones", zones, 2)
    site.repository.publish("tables")
    save_part, found = Store.save_part, []

    def save_part_and_list(store, sha256, data):
        save_part(store, sha256, data)
        monkeypatch.setattr(Store, "save_part", save_part)
        found.append(site.run("rollback", "emergency"))
        before = snapshot(site.phone)
        found.append(site.show("emergency", "ID"))
        assert snapshot(site.phone) == before

    monkeypatch.setattr(Store, "save_part", save_part_and_list)
    assert not site.poll().warnings
    assert found[0].exit_code == 1
    assert "A poll is changing the packs of this phone" in str(found[0].exception)
    assert found[1].startswith("ID: 113")
    assert site.read("list")["zones"]["used"]["version"] == 2
    assert not [path for path in site.poll().requests if path.startswith("/targets/")]
    assert "again" in site.show("rollback", "emergency")
    site.poll()
    assert site.show("emergency", "ID") == "ID: 110 112\n"
    assert "2: turned back" in site.show("list")


def test_missing_part_during_a_poll(site):
    """While a poll holds the folder a query is to be repeated, and reports no damage."""
    (part, *_) = site.read("list")["emergency"]["used"]["parts"]
    (site.phone / "state" / f"part.{part['sha256']}").unlink()
    before = snapshot(site.phone)
    with lock_folder(site.phone, wait=False):
        assert "A poll is changing" in str(site.run("emergency", "ID").exception)
    assert snapshot(site.phone) == before
    for _ in range(2):
        assert "copy of emergency is damaged" in str(site.run("emergency", "ID").exception)
    assert snapshot(site.phone) == before
    assert site.poll().warnings
    assert site.show("emergency", "ID") == "ID: 110 112\n"


def test_polls_and_resets_wait_for_each_other(site):
    """None of them begins while another one holds the folder."""
    asked = len(site.server.received)
    waiting = threading.Thread(target=site.poll)
    resetting = threading.Thread(target=reset_phone, args=[site.phone])
    with lock_folder(site.phone, wait=False):
        waiting.start()
        waiting.join(0.2)
        resetting.start()
        resetting.join(0.2)
        assert waiting.is_alive()
        assert resetting.is_alive()
        assert len(site.server.received) == asked
        assert list((site.phone / "state").iterdir())
    waiting.join(30)
    resetting.join(30)
    assert len(site.server.received) > asked


def test_query_with_a_wrong_clock(site, monkeypatch):
    """It is answered by that clock, and changes no file."""
    later = {"start": shop.NOW + 86_400, "end": shop.NOW + 2 * 86_400}
    site.publish("emergency", OTHER, **later)
    before = snapshot(site.phone)
    for days, number in ((0, "110"), (1, "113"), (2, "110"), (0, "110")):
        moment = float(shop.NOW + 86_400 * days)
        monkeypatch.setattr("client_sim.content.phone_packs.read_clock", lambda at=moment: at)
        assert site.show("emergency", "ID").startswith(f"ID: {number}")
    assert snapshot(site.phone) == before


DAYS = {
    **entries_of("greetings"),
    "occasion/new-year": {"days": {"*": ["2027-01-01", "2027-01-15"]}, "name": {"en": "New Year"}},
}


def test_today_is_the_owners_day(site, monkeypatch):
    """The day is in the machine's zone or the named one, and not before the signed time."""
    put_pack(site.repository, "greetings", DAYS, 2)
    news = {"new": NEWS | {"published": "2027-01-01", "end": "2027-02-01"}}
    site.publish("notices", news)
    asked = len(site.server.received)
    clock = [dt.datetime(2026, 12, 31, 18, tzinfo=dt.UTC).timestamp()]
    monkeypatch.setattr("client_sim.content.phone_packs.read_clock", lambda: clock[0])
    with machine_zone(monkeypatch, "UTC0"):
        assert "New Year" not in site.show("greetings", "--locale", "id")
        assert "New Year (today" in site.show("greetings", "--locale", "id", "--zone", "WIB")
        assert "News" in site.show("notices", "--zone", "Asia/Jakarta")
        assert "nothing to show" in site.show("notices")
        assert "no time zone 'Mars'" in str(site.run("features", "--zone", "Mars").exception)
    with machine_zone(monkeypatch, "WIB-7"):
        assert "New Year (today" in site.show("greetings", "--locale", "id")
        clock[0] = 0.0
        assert "New Year" not in site.show("greetings", "--locale", "id")
        (site.phone / "state" / "clock").write_bytes(b"1800000000")  # 2027-01-15 08:00 UTC
        assert "New Year (today" in site.show("greetings", "--locale", "id")
        assert "2027-01-15 08:00:00 UTC" in site.show("zone", "WIB")
    assert len(site.server.received) == asked


@contextlib.contextmanager
def machine_zone(monkeypatch, rule):
    """Set the machine's time zone for a block."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", rule)
        time.tzset()
        yield
    time.tzset()
