"""A site of several machines at which one release is public."""

from datetime import timedelta

import pytest
from obstore.store import S3Store

from server.storage import s3_client
from server.storage.s3_tree import S3Tree
from tests.watched_objects import WatchedObjects


@pytest.fixture(autouse=True)
def _requests_are_repeated_soon(monkeypatch):
    """Let the library wait 10 ms before it repeats a request to S3, in place of 100."""

    def open_soon(*arguments, retry_config, **options):
        retry_config["backoff"]["init_backoff"] = timedelta(milliseconds=10)
        return S3Store(*arguments, retry_config=retry_config, **options)

    monkeypatch.setattr(s3_client, "S3Store", open_soon)


@pytest.fixture
def site(released_site, tmp_path):
    """Give a copy of that site."""
    return released_site.clone(tmp_path)


@pytest.fixture
def machines(site):
    """Give its machine and an empty one; what both ask the store is watched."""
    made = site.first, site.machine("two", site.first)
    for world in made:
        world.objects = WatchedObjects(site.tree)
        world.tree = S3Tree(world.objects, world.folder.public, world.folder.staging)
    return made
