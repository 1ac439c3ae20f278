"""The files in `fixtures/poisoned` match their SCENARIO.json."""

import json

import pytest

from tests.attacks.poisoned import SCENARIOS, open_poisoned
from tests.attacks.role_thief import load_key, load_role

YEAR = 365 * 86_400


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_facts_and_archive_agree(scenario, tmp_path):
    """The phone's clock, floor and build and the state's role equal the recorded facts."""
    poisoned = open_poisoned(scenario, tmp_path)
    facts = poisoned.facts
    phone = poisoned.phone()
    boot = json.loads((phone / "slots" / "boot.json").read_bytes())
    assert facts["phone"] == {
        "clock": int((phone / "state" / "clock").read_bytes()),
        "floor": int((phone / "state" / "floor").read_bytes()),
        "build": boot["slots"][boot["running"]]["build"],
    }
    role = load_role(poisoned.server / "public" / "metadata", "armani").signed
    assert role.version == facts["armani"]
    assert role.version > load_role(poisoned.signer / "metadata", "armani").signed.version
    assert poisoned.token.split("_")[1] == facts["token_id"]
    for name in ("root-1", "root-2", "root-3", "armani-1", "armani-2"):
        assert load_key(poisoned.keys, name, facts["passphrase"])


@pytest.mark.parametrize(
    ("scenario", "holds"),
    [
        ("clock", lambda facts: facts["phone"]["clock"] == facts["moment"] + 9 * YEAR),
        ("build-time", lambda facts: facts["phone"]["clock"] == facts["moment"] + 9 * YEAR),
        ("counter", lambda facts: facts["phone"]["floor"] == 2**53 - 1),
        (
            "patch-level",
            lambda facts: facts["phone"]["build"]["security_patch_level"] == "9999-12-31",
        ),
    ],
)
def test_the_phone_is_poisoned(scenario, holds, tmp_path):
    """The phone's clock is nine years ahead, or its counter or its patch level is the maximum."""
    assert holds(open_poisoned(scenario, tmp_path).facts)
