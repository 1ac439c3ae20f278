"""A phone that uses only a static mirror follows two releases and a halt."""

import contextlib
import uuid

import pytest

from client_sim.persona import make_persona
from demo.phones import make_demo_phone
from fixtures.catalogue import Build
from tests.nginx import run_nginx, run_site
from tests.ports import free_port
from tests.seaweed import BUCKET, KEY_ID, PUBLIC, SECRET

CDN = """
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass {origin};
    }}
}}
"""


@pytest.mark.needs("nginx")
def test_folder_behind_nginx(town, tmp_path):
    """The mirror is a folder that nginx serves."""
    out = tmp_path / "mirror"
    follow(town, ("--out", out), lambda: run_nginx(out, tmp_path / "nginx"))


@pytest.mark.needs("nginx")
@pytest.mark.needs("seaweed")
def test_bucket_behind_cache(town, seaweed, tmp_path):
    """The mirror is a prefix in a public bucket, which is the origin of a plain cache."""
    prefix = f"{PUBLIC}/{uuid.uuid4()}"
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f's3_endpoint = "{seaweed.endpoint}"\ns3_key_id = "{KEY_ID}"\ns3_secret = "{SECRET}"\n'
    )

    @contextlib.contextmanager
    def run_cdn():
        port = free_port()
        site = CDN.format(port=port, origin=f"{seaweed.endpoint}/{BUCKET}/{prefix}/")
        with run_site(site, tmp_path / "nginx", port, ""):
            yield port

    follow(town, ("--to", f"s3://{BUCKET}/{prefix}", "--config", settings), run_cdn)


def follow(town, where, serving):
    """Install a full package, then an incremental, each after an export; then export a halt."""

    def export():
        return town.server("export", "--state", town.server_state, *where, "--json")

    town.release(1)
    town.rollout("offer", "--share", "100%")
    assert export()["removed"] == 0
    with serving() as port:
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
