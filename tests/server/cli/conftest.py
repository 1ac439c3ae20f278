"""A port that is taken."""

import socket

import pytest


@pytest.fixture
def direct_port():
    """Give a port on which something listens already."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]
