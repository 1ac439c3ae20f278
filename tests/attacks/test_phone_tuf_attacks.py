"""Every attack in section 1.5.2 of the TUF specification, on a phone that wants to install.

Each is tried over real sockets on a phone that has just been offered build 1. The phone must start
only builds that its maintainers signed, must send only its own requests, and must install build 1
as soon as the repository is valid again.
"""

import pytest

from tests.attacks import floods, mirrors, thieves, times
from tests.attacks.attack_list import ATTACKS
from tests.cases import case
from tests.client_sim.device import shop

# The specification's names, each with the modules that try the attack.
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


def test_every_listed_attack_is_tried():
    """The table has exactly the names of the specification's list."""
    assert all((floods, mirrors, thieves, times))
    assert {name.partition(":")[0] for name in ATTACKS} == NAMES


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(attacked, name):
    """The phone is not harmed, reveals nothing, and installs build 1 afterwards."""
    known = ATTACKS[name]
    for way, act in known.ways.items():
        with case(way):
            healing = act(attacked) or iter(())
            next(healing, None)
            found = attacked.install()
            if known.result == "installs":
                assert found == shop.facts(1), attacked.error
                attacked.check_updated()
            else:
                assert found == known.result, attacked.error
                is_known = isinstance(attacked.error, known.errors)
                assert found != "refused" or is_known, repr(attacked.error)
                attacked.check_unharmed()
            attacked.check_sent()
            next(healing, None)
    if known.result == "installs":
        attacked.poll()
    else:
        attacked.check_recovers()
