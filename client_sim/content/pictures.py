"""Fetches a wallpaper that the owner chose: one request, over a connection of its own."""

import hashlib
from typing import Any

from client_sim.content.index import File
from client_sim.content.picture import check_picture
from client_sim.device.errors import ContentError
from client_sim.transport import Connection
from client_sim.world import World


def fetch_picture(world: World, file: File, entry: dict[str, Any], name: str) -> bytes:
    """Return the picture of a wallpaper; shows the server which one (docs/PRIVACY.md).

    Raises ContentError if it is not the signed one or no plain picture, and TransportError.
    """
    with Connection(world) as connection:
        path = f"/targets/content/wallpapers/{file.sha256}.{name}.jpg"
        data = connection.get(path, limit=file.length)
    if len(data) != file.length or hashlib.sha256(data).hexdigest() != file.sha256:
        raise ContentError(f"The picture of {name} is not the one that was signed.")
    check_picture(data, entry["width"], entry["height"])
    return data
