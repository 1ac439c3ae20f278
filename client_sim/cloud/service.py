"""A client for the HTTP APIs of a region's cloud: records, account, blobs, and public pages."""

import base64
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from client_sim.cloud import wire
from client_sim.cloud.errors import DeceivedError, RefusedError, UnavailableError
from client_sim.cloud.web import Connection, Response

MSGPACK: Final = "application/msgpack"
JSON: Final = "application/json"
_CODE: Final = re.compile(r"[a-z_]{1,40}")
_URN: Final = "urn:hening:problem:"


class _Refusal(msgspec.Struct):
    code: str = ""


class _Problem(msgspec.Struct):
    type: str = ""


class Service:
    """Calls the cloud over one connection.

    `token` is a session's token. `program` is the name and program token for the blobs door.
    """

    def __init__(self, connection: Connection, token: str) -> None:
        self.connection = connection
        self.token = token
        self.program: tuple[str, str] | None = None

    def records(self, method: str, path: str, kind: Any = None, body: object = None) -> Any:  # noqa: ANN401 - the answer is of the type `kind`
        """Call the records door; returns the response decoded as `kind`. Raises CloudError."""
        headers = {**self._login(), "Accept": MSGPACK}
        data = None
        if body is not None:
            headers["Content-Type"] = MSGPACK
            data = msgspec.msgpack.encode(body)
        response = self.connection.request(method, f"/api/v1/{path}", headers, data)
        if response.status >= 300:
            raise _records_error(response)
        return None if kind is None else wire.decode(response.body, kind)

    def pages(
        self,
        method: str,
        path: str,
        kind: Any,  # noqa: ANN401 - as above
        body: object = None,
        stoken: str | None = None,
    ) -> Iterator[Any]:
        """Yield the pages of a list from the records door, starting at the cursor `stoken`.

        `path` must contain a query. Raises DeceivedError for an endless list.
        """
        while True:
            query = f"&stoken={stoken}" if stoken else ""
            page = self.records(method, path + query, kind, body)
            if not page.done and (not page.data or page.stoken == stoken):
                raise DeceivedError("The server's list does not end.")
            yield page
            if page.done:
                return
            stoken = page.stoken

    def chunk(self, collection: str, item: str, uid: str) -> bytes:
        """Download a chunk's ciphertext."""
        path = f"/api/v1/collection/{collection}/item/{item}/chunk/{uid}/download/"
        response = self.connection.request("GET", path, {**self._login(), "Accept": MSGPACK})
        if response.status != 200:
            raise _records_error(response)
        return response.body

    def account(self, method: str, path: str, kind: Any = None, body: object = None) -> Any:  # noqa: ANN401 - as above
        """Call the account door; returns the response decoded as `kind`. Raises CloudError."""
        return self._json(method, f"/account/1/{path}", kind, body)

    def erasure(self, number: str) -> wire.Erasure:
        """Fetch the state of an erasure; needs no login."""
        found: wire.Erasure = self._json("GET", f"/erasure/{number}", wire.Erasure, None)
        return found

    def public(self, path: str) -> bytes:
        """Fetch a policy or its text, without identifying the owner."""
        response = self.connection.request("GET", path, {})
        if response.status != 200:
            raise _json_error(response)
        return response.body

    def blob(
        self, method: str, path: str, body: bytes | None = None, *, accept: str = ""
    ) -> bytes | None:
        """Call the blobs door; returns the body, or None for 404. Raises CloudError."""
        self.begin_blob(method, path, body, accept=accept)
        return self.finish_blob()

    def begin_blob(
        self, method: str, path: str, body: bytes | None = None, *, accept: str = ""
    ) -> None:
        """Send a request to the blobs door; `finish_blob` reads the response."""
        name, token = self.program or ("", "")
        login = base64.b64encode(f"{name}:{token}".encode()).decode()
        headers = {"Authorization": f"Basic {login}"}
        if accept:
            headers["Accept"] = accept
        self.connection.begin(method, f"/blobs/{path}", headers, body)

    def finish_blob(self) -> bytes | None:
        """Read the response to `begin_blob`; returns and raises as `blob` does."""
        response = self.connection.finish()
        if response.status == 404:
            return None
        if response.status >= 300:
            codes = {403: "consent_required", 422: "not_ciphertext", 507: "quota_exceeded"}
            raise _response_error(response, codes.get(response.status, "refused"))
        return response.body

    def _json(self, method: str, path: str, kind: Any, body: object) -> Any:  # noqa: ANN401 - as above
        headers = self._login()
        data = None
        if body is not None:
            headers["Content-Type"] = JSON
            data = msgspec.json.encode(body)
        response = self.connection.request(method, path, headers, data)
        if response.status >= 300:
            raise _json_error(response)
        return None if kind is None else wire.decode(response.body, kind, is_json=True)

    def _login(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"} if self.token else {}


def _records_error(response: Response) -> Exception:
    try:
        code = wire.decode(response.body, _Refusal).code
    except DeceivedError:
        code = ""
    return _response_error(response, code)


def _json_error(response: Response) -> Exception:
    try:
        kind = wire.decode(response.body, _Problem, is_json=True).type
    except DeceivedError:
        kind = ""
    return _response_error(response, kind.removeprefix(_URN).replace("-", "_"))


def _response_error(response: Response, code: str) -> Exception:
    """Return the error for a response; uses only its status, `Retry-After`, and a valid code."""
    if 300 <= response.status < 400:
        return DeceivedError("The server redirects to another address; the phone did not follow.")
    if response.status == 429:
        wait = f"in {response.retry_after} s" if response.retry_after else "later"
        return UnavailableError(f"There were too many requests: try again {wait}.")
    if response.status >= 500 and response.status not in {501, 507}:
        return UnavailableError("The server failed; try again later.")
    return RefusedError(response.status, code if _CODE.fullmatch(code) else "refused")
