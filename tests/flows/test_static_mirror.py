"""A phone that uses only nginx follows two releases, and a halt."""

import pytest

from client_sim.persona import make_persona
from demo.phones import make_demo_phone
from fixtures.catalogue import Build
from tests.nginx import run_nginx


@pytest.mark.needs("nginx")
def test_a_phone_follows_a_static_mirror(town, tmp_path):
    """Full, then incremental, each after an export; a halt takes effect with the next export."""
    out = tmp_path / "mirror"

    def export():
        state = ("--state", town.server_state, "--out", out, "--json")
        return town.server("export", *state)

    town.release(1)
    town.rollout("offer", "--share", "100%")
    assert export()["removed"] == 0
    with run_nginx(out, tmp_path / "nginx") as port:
        phone = make_demo_phone(town, "far", Build("armani", "id", 0), make_persona(1), port=port)
        assert phone.install() == Build("armani", "id", 1).incremental
        town.release(2, source=1)
        town.rollout("offer", "--share", "100%")
        assert phone.poll().offer is None
        assert export()["written"] > 0
        assert phone.poll().offer is not None
        town.rollout("halt", "--reason", "en=It drains the battery.")
        export()
        assert "It drains the battery" in phone.poll().reason
        assert export()["written"] == 0
