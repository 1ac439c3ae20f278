"""A device with a collection."""

import pytest


@pytest.fixture
async def device(cloud):
    """Return a device with a collection; `device.items` is the path of its items."""
    device = await cloud.device()
    device.collection = (await device.create())["uid"]
    device.items = f"collection/{device.collection}/item/"
    return device
