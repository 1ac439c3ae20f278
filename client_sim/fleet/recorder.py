"""A phone's connection that remembers what was asked and the hash of every answer."""

import hashlib

from client_sim.fleet.answer_tree import ABSENT, Taken
from client_sim.transport import Connection, encode_request, host_header
from client_sim.world import World


class Recorder(Connection):
    """Asks as any phone does; `taken` are the answers that were taken, in their order."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.taken: list[Taken] = []
        self._name = host_header(world.public)

    def get(self, path: str, *, limit: int) -> bytes:
        """Return a body as `Connection.get` does."""
        body = super().get(path, limit=limit)
        self._note(path, 200, hashlib.sha256(body).digest())
        return body

    def get_if_there(self, path: str, *, limit: int) -> bytes | None:
        """Return a body or None as `Connection.get_if_there` does."""
        body = super().get_if_there(path, limit=limit)
        if body is None:
            self._note(path, 404, ABSENT)
        else:
            self._note(path, 200, hashlib.sha256(body).digest())
        return body

    def _note(self, path: str, status: int, digest: bytes) -> None:
        self.taken.append(Taken(encode_request(self._name, path), status, digest))
