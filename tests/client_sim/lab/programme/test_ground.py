"""Which servers suit a client: those that change, for whoever follows them at any time."""

import pytest

from client_sim.lab.clients.following import FollowingToy
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.servers import scripted

LIMIT = 100_000


class Later(FollowingToy):
    """Follows nothing until its world is `ripe`."""

    def ripe(self):
        """Say whether it follows from now on: from its second poll on."""
        number = int(self.world.state.get("number", b"0")) + 1
        self.world.state["number"] = b"%d" % number
        return number > 1

    def follow(self, connection):
        """Ask as who never follows does, at first."""
        if self.ripe():
            super().follow(connection)
            return
        connection.get_if_there("/metadata/2.root.json", limit=LIMIT)
        connection.get("/metadata/timestamp.json", limit=LIMIT)


class OverTls(Later):
    """Follows over TLS alone."""

    def ripe(self):
        """Say whether this is TLS."""
        return self.world.public.tls


class Restarted(Later):
    """Follows once it has been restarted."""

    def __init__(self, world):
        super().__init__(world)
        self.restarts = int(world.state.get("restarts", b"0")) + 1
        world.state["restarts"] = b"%d" % self.restarts

    def ripe(self):
        """Say whether this is not its first start."""
        return self.restarts > 1


@pytest.mark.parametrize("client", [FollowingToy, Later, OverTls, Restarted])
def test_whoever_follows_at_some_time_meets_servers_that_change(client):
    """The first poll alone would give up three of them."""
    assert plan_ground(client, 0).quiet() is not scripted.respond


def test_whoever_never_follows_meets_a_server_without_news():
    """What such a client would have to fetch next is not there."""
    assert plan_ground(ToyClient, 0).quiet() is scripted.respond
