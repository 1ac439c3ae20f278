"""The downloads of a model's packages."""

import hashlib

from server.release.api.operation import PollCount
from server.storage.models import PackageDownloads
from tests.server.release.api_world import api_world
from tests.server.world import PACKAGE_1


async def test_downloads_of_a_model(world):
    """Downloads are listed newest day first, without those of other models."""
    own, other = hashlib.sha256(PACKAGE_1).hexdigest(), "f" * 64
    async with api_world(world, polls=lambda: PollCount(900, 60.5)) as api:
        async with api.services.sessions.begin() as session:
            for sha256, day in ((own, 20_424), (own, 20_423), (other, 20_424)):
                session.add(PackageDownloads(sha256=sha256, day=day, begun=40, finished=20))
        found = (await api.call("GET", "/models/armani/downloads", token="viewer")).json
    day = {"sha256": own, "begun": 40, "finished": 20}
    assert found == {
        "is_known": True,
        "polls": 900,
        "seconds": 60,
        "items": [{**day, "day": "2025-12-02"}, {**day, "day": "2025-12-01"}],
    }


async def test_downloads_behind_a_cache_are_unknown(api):
    """Behind a cache the counts are unknown; an unknown model gets 404."""
    found = (await api.call("GET", "/models/armani/downloads", token="viewer")).json
    assert found == {"is_known": False, "polls": 0, "seconds": 0, "items": []}
    assert (await api.call("GET", "/models/dior/downloads", token="viewer")).status == 404
