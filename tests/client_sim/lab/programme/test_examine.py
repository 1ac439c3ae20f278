"""The instrument is silent on a clean client and names every leaky one."""

import pytest

from client_sim.lab.clients.loading import load_client
from client_sim.lab.clients.phone_2014 import phone_2014
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.programme.examine import examine
from client_sim.lab.scenarios.driving import IDLE, SHORT_STORY, STORY, STORY_2014
from client_sim.persona import make_persona

PERSONAS = [make_persona(seed) for seed in range(4)]

# Who must notice each mutant: written from the catalogue of channels, not from a run.
KILLERS = {
    "imei-sha256-header": {"grammar", "personal", "fleet", "canaries", "tripwire"},
    "imei-keyed-header": {"grammar", "personal", "fleet", "tripwire"},
    "cookie-echo": {"grammar"},
    "tag-echo": {"grammar"},
    "install-identifier": {"grammar", "fleet"},
    "request-identifier": {"determinism", "grammar", "personal", "fleet"},
    "counter-requests": {"grammar"},
    "header-order": {"grammar", "personal", "fleet", "tripwire"},
    "header-case": {"grammar", "personal", "fleet", "tripwire"},
    "padding-header": {"grammar", "personal", "fleet", "tripwire"},
    "serial-lookup": {"egress", "personal", "fleet", "canaries", "tripwire"},
    "call-reporter": {"grammar", "egress", "schedule", "personal", "fleet", "canaries"},
    "root-drip": {"personal", "fleet", "tripwire"},
    "burst-messages": {"grammar", "personal", "fleet", "tripwire"},
    "pieces": {"personal", "fleet", "tripwire"},
    "phase-kept": {"schedule"},
    "jitter-parity": {"schedule", "personal", "tripwire"},
    "activity-message": {"schedule"},
    "gather-contacts": {"tripwire"},
    "hangs-on": {"egress"},
    "platform-agent": {"grammar"},
    "phase-ground": {"schedule"},
    "after-restart": {"grammar", "personal", "fleet", "canaries", "tripwire"},
    "after-4-polls": {"grammar", "personal", "fleet", "canaries", "tripwire"},
    "falls-over": {"completes", "personal", "fleet", "tripwire"},
}


@pytest.mark.parametrize("name", sorted(KILLERS))
def test_a_mutant_is_caught_by_exactly_the_oracles_that_can_see_it(name, make_world):
    """Each oracle that can see the channel does, and no other raises a false alarm."""
    result = examine(load_client(name), make_world, PERSONAS, STORY, name=name)
    assert not result.is_clean
    assert set(result.failed()) == KILLERS[name]
    for check in result.batteries:
        for finding in check.findings:
            assert finding.offending() or finding.other or finding.octets == b""


@pytest.mark.parametrize("scenario", [IDLE, SHORT_STORY, STORY_2014, STORY])
def test_a_clean_client_raises_no_alarm(scenario, make_world):
    """All checks pass, over the whole depth of the canary search."""
    result = examine(ToyClient, make_world, PERSONAS, scenario, name="toy")
    assert result.failed() == ()
    assert result.is_clean
    assert result.runs == 2 * len(PERSONAS) + 1


def test_a_thousand_owners_raise_no_alarm(make_world):
    """More than a thousand clean runs with different owners pass every check."""
    owners = [make_persona(b"owner %d" % number) for number in range(520)]
    result = examine(ToyClient, make_world, owners, SHORT_STORY, name="toy", layers=0)
    assert result.failed() == ()
    assert result.runs == 1041


def test_a_single_persona_proves_nothing(make_world):
    """Equality needs two."""
    with pytest.raises(ValueError, match="two personas"):
        examine(ToyClient, make_world, PERSONAS[:1], IDLE, name="toy")


def test_the_phone_of_2014_is_caught_with_the_octets_shown(make_world):
    """The finding points at the IMEI, the number and the contact in the clear form."""
    result = examine(phone_2014, make_world, PERSONAS, STORY_2014, name="2014")
    assert set(result.failed()) == {
        *("completes", "grammar", "personal", "fleet"),
        *("schedule", "canaries", "tripwire", "egress"),
    }
    canaries = next(check for check in result.batteries if check.oracle == "canaries")
    imei = PERSONAS[0].imei.encode()
    (sight, *_) = [f for f in canaries.findings if f.explanation.startswith("imei as it is")]
    assert sight.octets[sight.offset :].startswith(imei)
    assert sight.offset == sight.octets.index(imei)
    assert sight.octets.startswith(b"POST /pass/register HTTP/1.1\r\n")
    assert any("phone_number" in finding.explanation for finding in canaries.findings)
