"""Answers the publisher's requests over a Unix socket, one after the other.

    1  the publisher's public state is the known one, or it is adopted first
    2  the request is checked, and its result is made and signed
    3  the record is durable; a crash before this leaves nothing
    4  the answer is sent; a crash before this leaves versions that no client has seen, and the next
       request takes those after them

Access control is the permission to open the socket; there is no other proof of identity.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from server.core.errors import FormatError, HeningError
from server.core.metadata import verify_first_root
from server.core.note import VerifierKey
from server.core.profile import log_verifier
from server.keys.log_record import (
    UnexpectedLeafError,
    judge_checkpoint,
    judge_continuation,
)
from server.keys.record import Record
from server.keys.signing_policy import judge_public, judge_publication
from server.keys.sources import KeySource
from server.publisher.errors import PublishError
from server.publisher.keys import messages
from server.publisher.keys.choice import plan_next, plan_switch
from server.publisher.keys.online_keys import LogSigner, OnlineKeys
from server.storage.durable import make_folder
from server.storage.errors import StorageError

CONNECTIONS = 8
"""The maximum number of connections: one publisher, and commands. Further ones are closed."""
RECEIVE_SECONDS = 10.0  # for a whole request, which comes from this machine
SEND_SECONDS = 10.0  # for the client to read the answer
log = structlog.get_logger()


@dataclass(eq=False)
class KeyService:
    """Checks requests and keeps the record; used from one thread at a time."""

    source: KeySource
    record: Record
    clock: Callable[[], datetime]
    after_record: Callable[[], None] = lambda: None

    def answer(self, request: messages.Request) -> messages.Answer:
        """Return the answer to a request, which may be a refusal."""
        try:
            return self._answer(request)
        except UnexpectedLeafError as error:
            return messages.Unexpected(str(error))
        except (StorageError, OSError) as error:
            return messages.Refused(str(error).partition("\n")[0], environment=True)
        except HeningError as error:
            return messages.Refused(str(error), environment=False)
        except Exception:  # a compromised publisher can send anything
            log.exception("failed")
            return messages.Refused("an internal error; see its log.", environment=True)

    def _answer(self, request: messages.Request) -> messages.Answer:
        match request:
            case messages.Describe():
                is_known = self.record.settle(request.public, self._epoch())
                size = self.record.log.load().tree.size
                return _describe(self.source.load(), size, is_known=is_known)
            case messages.Adopt():
                return self._adopt(request)
            case messages.SignCheckpoint() | messages.ContinueLog():
                return self._follow_log(request)
            case messages.ReadLeaves():
                root = self.record.log.load().tree.root()
                return messages.Leaves(
                    self.record.log.leaves(request.first, messages.MAX_LEAVES), root
                )
            case messages.Publish() | messages.MakeNext() | messages.SwitchTo():
                if not self.record.settle(request.public, self._epoch()):
                    return messages.Unknown()
                return self._settled(request)

    def _settled(
        self, request: messages.Publish | messages.MakeNext | messages.SwitchTo
    ) -> messages.Answer:
        keys, published = self.source.load(), self.record.published()
        match request:
            case messages.Publish():
                return self._publish(request, keys)
            case messages.MakeNext():
                plan_next(keys, published, request.names, afresh=request.afresh)
                self.source.create_next(request.names, afresh=request.afresh)
            case messages.SwitchTo():
                if published is None:
                    raise PublishError("nothing is published yet: there is no key to switch to.")
                # The publisher knows how long root has been public: a switch that is too early
                # costs some phones one poll, and signs nothing unusual.
                self.source.promote(plan_switch(keys, published, request.names, 0, at_once=True))
        return messages.Done()

    def _publish(self, request: messages.Publish, keys: OnlineKeys) -> messages.Signed:
        publication = judge_publication(
            request,
            self.record.published(),
            self.record.pinned(),
            keys,
            self.record.signed(),
            self.clock(),
        )
        self.record.keep(publication)
        self.after_record()
        submitted = {(file.role, file.version) for file in request.files}
        files = [f for f in publication.files if (f.role, f.version) not in submitted]
        log.info("signed", snapshot=publication.snapshot_version)
        return messages.Signed(files, publication.timestamp, publication.snapshot_version)

    def _adopt(self, request: messages.Adopt) -> messages.Done:
        publication = judge_public(request.files, self.record.published(), self.record.pinned())
        self.record.adopt(publication, self._epoch())
        log.info("took over what is public", snapshot=publication.snapshot_version)
        return messages.Done()

    def _follow_log(
        self, request: messages.SignCheckpoint | messages.ContinueLog
    ) -> messages.Signature | messages.LogSize:
        record = self.record.log
        log = record.load()
        if request.size != log.tree.size:
            return messages.LogSize(log.tree.size)
        held = {str(key.verifier): key for key in self.source.load().log_keys}
        if isinstance(request, messages.ContinueLog):
            further = judge_continuation(request.note, self._log_keys(held), log, request.leaves)
            record.keep(further, request.leaves)
            return messages.LogSize(further.tree.size)
        if request.key not in held:
            raise PublishError("that key of the log is not held here any more: try again.")
        key = held[request.key]
        grown = judge_checkpoint(request.text, key.verifier, log, request.leaves, request.proof)
        if grown != log:
            record.keep(grown, request.leaves)
            self.after_record()
        return messages.Signature(key.sign(request.text))

    def _log_keys(self, held: Mapping[str, LogSigner]) -> list[VerifierKey]:
        """Return the present keys, and those that roots name: a key may have been lost."""
        roots = [verify_first_root(self.record.pinned()).signed]
        if (published := self.record.published()) is not None:
            roots.append(published.root)
        return [*(key.verifier for key in held.values()), *map(log_verifier, roots)]

    def _epoch(self) -> int:
        return int(self.clock().timestamp())


@contextlib.asynccontextmanager
async def serving(service: KeyService, path: Path) -> AsyncIterator[None]:
    """Answer requests at the Unix socket `path` until the block ends.

    The socket is for its owner and its group; raises StorageError if others can access its folder.
    """
    listener = await asyncio.to_thread(_bind, path)
    turn, places = asyncio.Lock(), asyncio.Semaphore(CONNECTIONS)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, EOFError, TimeoutError):
            if places.locked():
                return
            async with places:
                answer = await _receive_and_answer(service, reader, turn)
                writer.write(messages.encode_frame(answer))
                async with asyncio.timeout(SEND_SECONDS):
                    await writer.drain()

    server = await asyncio.start_unix_server(handle, sock=listener)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


def _bind(path: Path) -> socket.socket:
    make_folder(path.parent)
    if path.parent.stat().st_mode & 0o007:
        raise StorageError(
            f"{path.parent} is open to all users: give the socket a folder of its own, of mode 0750"
            " with the server's group."
        )
    path.unlink(missing_ok=True)  # left by a process that has ended: this one has the record's lock
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    with contextlib.ExitStack() as stack:
        stack.callback(listener.close)
        listener.bind(str(path))
        path.chmod(0o660)
        stack.pop_all()
    return listener


async def _receive_and_answer(
    service: KeyService, reader: asyncio.StreamReader, turn: asyncio.Lock
) -> messages.Answer:
    try:
        async with asyncio.timeout(RECEIVE_SECONDS):
            body = await reader.readexactly(
                messages.decode_head(await reader.readexactly(messages.HEAD))
            )
        async with turn:  # decode one at a time: that takes several times its length of memory
            answer = await asyncio.to_thread(lambda: service.answer(messages.decode_request(body)))
    except FormatError as error:
        answer = messages.Refused(str(error), environment=False)
    if isinstance(answer, messages.Refused):
        log.warning("refused", reason=answer.reason)
    return answer


def _describe(keys: OnlineKeys, size: int, *, is_known: bool) -> messages.Held:
    roles = {role: [signer.public_key.keyval["public"]] for role, signer in keys.signers.items()}
    for role, signer in keys.next_signers.items():
        roles[role].append(signer.public_key.keyval["public"])
    return messages.Held(roles, [str(key.verifier) for key in keys.log_keys], size, is_known)
