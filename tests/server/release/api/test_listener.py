"""The API's listener: what a late answer does to its connection."""

import asyncio

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request

from server.release.api import listener


class Transport(asyncio.Transport):
    """Notes when reading ends and begins."""

    def __init__(self, is_reading=True):
        super().__init__()
        self.steps = []
        self._is_reading = is_reading

    def is_reading(self):
        """Answer whether reading was not paused by another."""
        return self._is_reading

    def pause_reading(self):
        """End reading."""
        self.steps.append("pause")

    def resume_reading(self):
        """Begin reading."""
        self.steps.append("resume")


@pytest.mark.parametrize("is_whole", [True, False])
async def test_a_body_that_is_not_whole_is_read_no_further(monkeypatch, is_whole):
    """The connection ends with the answer; after a whole request it is read on."""
    monkeypatch.setattr(listener, "LATE_SECONDS", 0)
    loop = asyncio.get_running_loop()
    payload = StreamReader(BaseProtocol(loop), 1024, loop=loop)
    if is_whole:
        payload.feed_eof()
    transport, response = Transport(), web.Response()
    request = make_mocked_request("POST", "/", payload=payload, transport=transport)
    await listener.be_late(request, response)
    assert transport.steps == (["pause", "resume"] if is_whole else ["pause"])
    assert response.keep_alive is (None if is_whole else False)


async def test_reading_that_aiohttp_paused_is_not_resumed(monkeypatch):
    """It holds as many pipelined requests as it may, and resumes when it has answered some."""
    monkeypatch.setattr(listener, "LATE_SECONDS", 0)
    loop = asyncio.get_running_loop()
    payload = StreamReader(BaseProtocol(loop), 1024, loop=loop)
    payload.feed_eof()
    transport = Transport(is_reading=False)
    request = make_mocked_request("GET", "/", payload=payload, transport=transport)
    await listener.be_late(request, web.Response())
    assert transport.steps == []
