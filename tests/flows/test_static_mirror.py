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
def test_folder_behind_nginx(stage, tmp_path):
    """The mirror is a folder that nginx serves."""
    out = tmp_path / "mirror"
    follow(stage, ("--out", out), lambda: run_nginx(out, tmp_path / "nginx"))


@pytest.mark.needs("nginx")
@pytest.mark.needs("seaweed")
def test_bucket_behind_cache(stage, seaweed, tmp_path):
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

    follow(stage, ("--to", f"s3://{BUCKET}/{prefix}", "--config", settings), run_cdn)


def follow(stage, where, serving):
    """Install a full package, then an incremental, each after an export; then export a halt."""

    def export():
        return stage.server("export", "--state", stage.server_state, *where, "--json")

    stage.release(1)
    stage.rollout("offer", "--share", "100%")
    assert export()["removed"] == 0
    with serving() as port:
        phone = make_demo_phone(stage, "far", Build("armani", "id", 0), make_persona(1), port=port)
        assert phone.install() == Build("armani", "id", 1).incremental
        stage.release(2, source=1)
        stage.rollout("offer", "--share", "100%")
        assert phone.poll().offer is None
        assert export()["written"] > 0
        assert phone.poll().offer is not None
        stage.rollout("halt", "--reason", "en=It drains the battery.")
        export()
        assert "It drains the battery" in phone.poll().reason
        assert export()["written"] == 0
