"""docs/how-to/many-machines.md runs on a site with three releases, from one machine to many."""

import re
import uuid

import pytest

from tests.flows.rehearsal import make_rehearsal
from tests.flows.test_how_to import SERVER, play
from tests.ports import free_ports
from tests.seaweed import BUCKET, KEY_ID, SECRET

RELEASES = """
release() { hening-signer release sign --repo repo --keys keys --region id --channel stable \
  --certificate "$CERTIFICATE" --out server/incoming "$@"; settle; }
release packages/armani-1.2.0-id-full.zip
release --source packages/armani-1.1.0-id-full.zip packages/armani-1.2.0-id-from-1.1.0-id.zip
"""


@pytest.mark.needs("curl", "postgresql", "seaweed")
def test_many_machines_page(programs, postgres, seaweed, tmp_path):
    """Each command of the page exits with 0 and prints the output on the page."""
    made = make_rehearsal(tmp_path / "made", programs)
    (made.folder / "server.log").unlink()
    (made.folder / "store.toml").write_text(
        f's3_endpoint = "{seaweed.endpoint}"\ns3_key_id = "{KEY_ID}"\ns3_secret = "{SECRET}"\n'
    )
    database, prefix = postgres.make_database(), f"s3://{BUCKET}/many/{uuid.uuid4()}"
    ports = dict(zip(("8081", "9101"), map(str, free_ports(2)), strict=True))

    def alter(line):
        line = re.sub(r"postgresql://[^ ]*", database, line).replace("s3://rom", prefix)
        return re.sub("8081|9101", lambda found: ports[found[0]], line)

    try:
        play(made, "many-machines", before=SERVER + RELEASES, alter=alter)
    finally:
        made.stop()
