import json

import pytest
from click.testing import CliRunner

from client_sim.cli import cli
from client_sim.owner_events.events import Kind
from client_sim.persona import make_persona
from tests.client_sim.device import shop
from tests.client_sim.device.repository_simulator import Repository


@pytest.fixture
def folder(tmp_path):
    """Make a phone with an owner that has polled."""
    repository = Repository(shop.NOW)
    shop.make_phone(tmp_path / "phone", repository, persona=make_persona(7))
    phone = shop.open_phone(tmp_path / "phone", repository)
    assert phone.poll().failure is None
    phone.next_poll()
    return tmp_path / "phone"


def run(folder, *arguments):
    """Run `hening-device live`."""
    return CliRunner().invoke(cli, ["live", "--phone", str(folder), *map(str, arguments)])


def test_every_event_can_be_named(folder):
    """All events are given in one command, which prints each, and that nothing was sent."""
    result = run(folder, *Kind)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == list(Kind)
    assert lines[-1] == "Nothing was sent. The next poll is not drawn yet."


def test_due_time_is_printed_and_unchanged(folder):
    """Both outputs have the due time."""
    due = float((folder / "state/due").read_text())
    output = json.loads(run(folder, "sms-received", "travelled", "--json").stdout)
    assert output["next_poll"] == due
    assert [event["name"] for event in output["events"]] == ["sms-received", "travelled"]
    assert output["events"][1]["details"]["time zone"]
    assert "The next poll is due at 2" in run(folder, "reboot").stdout


def test_seed_repeats_the_events(folder):
    """A seed gives the same random events again; without it the details differ."""
    first, second = (run(folder, "--random", 20, "--seed", 5, "--json").stdout for _ in range(2))
    names = [event["name"] for event in json.loads(first)["events"]]
    assert names == [event["name"] for event in json.loads(second)["events"]]
    assert len(names) == 20
    assert "factory-reset" not in names
    assert run(folder, "contact-added").stdout != run(folder, "contact-added").stdout


def test_nothing_to_do_is_a_usage_error(folder):
    """An event or a number of events is needed, and the error names an unknown event."""
    assert run(folder).exit_code == 2
    result = run(folder, "sunrise")
    assert result.exit_code == 2
    assert "'sunrise' is not one of 'sim-inserted'" in result.stderr


def test_a_phone_without_an_owner_is_a_refusal(folder):
    """The error names the option that helps; damaged data is another refusal."""
    run(folder, "factory-reset")
    result = run(folder, "sms-sent")
    assert result.exit_code == 1
    assert "give --owner" in result.stderr
    assert run(folder, "sms-sent", "--owner", 3).exit_code == 0
    (folder / "personal/persona.json").write_bytes(b"nonsense")
    result = run(folder, "sms-sent")
    assert result.exit_code == 1
    assert "the persona cannot be read" in result.stderr
