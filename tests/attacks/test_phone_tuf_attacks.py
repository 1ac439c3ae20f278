"""Every attack that TUF's specification lists (section 1.5.2), on a phone that wants to install.

Each is tried over real sockets on a phone that has just been offered build 1. The phone must start
only what its maintainers signed, must send only its own requests, and must install build 1 as soon
as the repository is valid again.
"""

import pytest

from tests.attacks import floods, mirrors, thieves, times
from tests.attacks.attack_list import ATTACKS
from tests.client_sim.device import shop

# As the specification names them, each with the modules that try it.
NAMES = {
    "arbitrary installation",
    "endless data",
    "extraneous dependencies",
    "fast-forward",
    "indefinite freeze",
    "malicious mirrors",
    "mix and match",
    "rollback",
    "slow retrieval",
    "key compromise",
    "wrong software",
}


def test_every_attack_of_the_list_is_tried():
    """Exactly the names of the specification's list."""
    assert all((floods, mirrors, thieves, times))
    assert {name.partition(":")[0] for name in ATTACKS} == NAMES


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(besieged, name):
    """The phone is not harmed, reveals nothing, and installs build 1 afterwards."""
    known = ATTACKS[name]
    healing = known.act(besieged)
    if healing is not None:
        next(healing)
    found = besieged.install()
    if known.result == "installs":
        assert found == shop.facts(1), besieged.error
        besieged.check_updated()
        besieged.check_sent()
        for _ in healing or ():
            pass
        besieged.poll()
        return
    assert found == known.result, besieged.error
    assert found != "refused" or isinstance(besieged.error, known.errors), repr(besieged.error)
    besieged.check_unharmed()
    besieged.check_sent()
    for _ in healing or ():
        pass
    besieged.check_recovers()
