"""`hening-device cloud`: an owner's use of the command line, and its reports of what was sent."""

import json
import time

import pytest
from click.testing import CliRunner

from client_sim.cli import cli, find_status
from client_sim.cloud.account import Cloud
from client_sim.cloud.errors import OffError, StoreError, UnavailableError
from client_sim.device.image import Image, ImageFacts, write_image
from client_sim.owner_events.owner_simulator import PersonalStore
from client_sim.persona import make_persona
from tests.client_sim.cloud.phones import PASSWORD, derive_cheaply, new_name
from tests.patience import until


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a command on a phone and returns its output."""
    monkeypatch.setitem(Cloud.__init__.__kwdefaults__, "derive", derive_cheaply)
    (tmp_path / "password").write_text(PASSWORD + "\n")
    facts = ImageFacts("armani", "id", "stable", "updates.example", 80, tls=False, built_at=0)

    def call(name, *words, status=0, home="one"):
        folder = tmp_path / home
        if not folder.exists():
            write_image(folder / "image", Image(facts, b"{}", b"", None))
        result = CliRunner().invoke(
            cli, ["cloud", name, "--phone", str(folder), *map(str, words)], standalone_mode=True
        )
        assert result.exit_code == status, (result.output, result.exception)
        return result.output

    call.folder = tmp_path
    call.password = ("--password-file", tmp_path / "password")
    call.new_password = ("--new-password-file", tmp_path / "password")
    return call


@pytest.mark.parametrize("uid", ["-hBCDEFGHIJKLMNOPQRST", "--jsonEFGHIJKLMNOPQRST"])
def test_a_uid_may_begin_with_a_dash(run, uid):
    """One uid in 64 begins with a dash; it is not taken for an option."""
    run("status")
    run("delete", uid, status=1)  # no such record exists; 2 would be wrong usage


def test_commands_of_an_owner(run, served):
    """Regions, account, consent, words, types, sync, a second phone, off, export, erasure."""
    served.clock.seconds = int(time.time())  # commands use the real clock
    region = served.regions["id"]
    name = new_name()
    assert region.origin in run("regions", "--add", "id", region.origin, region.policy_key)
    status = run("status")
    assert "No account." in status
    assert status.endswith("Nothing was sent.\n")
    policy = run("policy", "--region", "id")
    assert "We keep what your phone encrypts." in policy
    assert "Left the phone: the request for the policy (" in policy
    output = run("sign-up", "--region", "id", "--name", name, *run.new_password)
    assert "everything is off" in output
    assert "agreed to version 1" in run("consent", "--age", 30, "--yes")
    words = run("words", "--json")
    typed = json.loads(words)["result"]["words"].split()
    assert json.loads(words)["sent"] == {"bytes": 0, "requests": 0}
    run("confirm-words", *typed, *run.password)
    PersonalStore(run.folder / "one").store(make_persona(4))
    assert "Nothing was sent." in run("import", "--planted")
    run("note", "--title", "Rice", "--text", "1 kg")
    run("on", "note")
    run("on", "contact")
    status = json.loads(run("status", "--json"))["result"]
    assert status["on"] == ["contact", "note"]
    assert status["types"]["note"]["waiting"] >= 1
    sent = json.loads(run("sync", "--json"))
    assert set(sent["result"]["sent"]) == {"contact", "note", "devices"}
    assert "It is not time yet." in run("sync", "--if-due")
    run("regions", "--add", "id", region.origin, region.policy_key, home="two")
    run("log-in", "--region", "id", "--name", name, *run.password, home="two")
    assert "(this one)" in run("devices", home="two")
    uid = run("list", "note").split()[0]
    assert "The record is deleted" in run("delete", uid)
    assert "stay there until you erase the account" in run("off", "note")
    assert "There are no conflicts." in run("conflicts")
    assert "nothing in it is encrypted" in run("export", "--out", run.folder / "mine.zip")
    if "Erased:" not in run("erase", "--yes"):
        until(lambda: "Erased:" in run("receipt"))
    assert "No account" in run("status")


def test_exit_statuses(run):
    """The status is 1 for a refusal, 2 for wrong usage, and 3 if server or store is unavailable."""
    assert find_status(OffError("x")) == 1
    assert find_status(UnavailableError("x")) == 3
    assert find_status(StoreError("x")) == 3
    run("on", "calls", status=2)
    run("import", status=2)
