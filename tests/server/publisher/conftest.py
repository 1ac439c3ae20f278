"""Fixtures: a site of several machines at which one release is public."""

from datetime import timedelta

import pytest
from obstore.store import S3Store

from server.storage import s3_client
from server.storage.s3_tree import S3Tree
from tests.watched_objects import WatchedObjects


@pytest.fixture(autouse=True)
def _requests_are_repeated_soon(monkeypatch):
    """Reduce the pause before a repeated S3 request from 100 ms to 10 ms."""

    def open_soon(*arguments, retry_config, **options):
        retry_config["backoff"]["init_backoff"] = timedelta(milliseconds=10)
        return S3Store(*arguments, retry_config=retry_config, **options)

    monkeypatch.setattr(s3_client, "S3Store", open_soon)


@pytest.fixture
def site(released_site, tmp_path):
    """Return a copy of that site."""
    return released_site.clone(tmp_path)


@pytest.fixture
def machines(site):
    """Return its machine and a new one; their requests to the store are recorded."""
    made = site.first, site.machine("two", site.first)
    for world in made:
        world.objects = WatchedObjects(site.tree)
        world.tree = S3Tree(world.objects, world.folder.public, world.folder.staging)
    return made
