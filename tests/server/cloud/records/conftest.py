"""A device with a collection."""

import pytest


@pytest.fixture
async def device(cloud):
    """Give a device with a collection, `device.items` being the address of its items."""
    device = await cloud.device()
    device.collection = (await device.create())["uid"]
    device.items = f"collection/{device.collection}/item/"
    return device
