"""A site that answers from a rendered map, as the dialects' plane does, without sockets."""

from http import HTTPStatus
from urllib.parse import urlsplit

from client_sim.compat.asking import Reply
from server.compat.plane import answer_to


class MapSite:
    """Answers from `contents`; `data` has the bytes of packages by sha256.

    `change` may replace any answer. `asked` lists path and Range of each request.
    """

    def __init__(self, contents, data=None, change=lambda reply: reply):
        self.contents = contents
        self.data = data or {}
        self.change = change
        self.asked = []

    def get(self, url, fields, sink=None):
        """Return the answer to GET."""
        path, part = urlsplit(url).path, fields.get("Range")
        self.asked.append((path, part))
        answer = answer_to(self.contents.get(path), part and part.encode(), None)
        body = answer.body
        if answer.package is not None:
            body = self.data[answer.package.sha256]
            if answer.part is not None:
                body = body[answer.part.first : answer.part.last + 1]
        found = {name.lower(): value for name, value in answer.headers.items()}
        reply = self.change(Reply(int(HTTPStatus(answer.status)), found, body, len(body)))
        if sink is None:
            return reply
        with sink(Reply(reply.status, reply.fields, b"", 0)) as file:
            file.write(reply.body)
        return Reply(reply.status, reply.fields, b"", reply.length)
