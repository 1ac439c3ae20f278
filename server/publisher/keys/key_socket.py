"""The publisher's side of the socket to a key process, which holds the online keys.

Every call blocks until the answer arrives, so call it in a thread. A refusal of the key process is
a PublishError. A key process that is unreachable or has a disk error is a StorageError, so that
waiting work is tried again.
"""

import contextlib
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import Signature, SSlibKey

from server.core.checkpoint import decode_checkpoint_text, decode_size
from server.core.errors import FormatError, TrustError
from server.core.note import MAX_NOTE, VerifierKey, decode_verifier_key
from server.core.pointer import Pointer, encode_pointer
from server.publisher.errors import LeafRefusedError, PublishError
from server.publisher.keys import messages
from server.publisher.keys.online_keys import ROLES, HeldSigner, History, OnlineKeys, encode_public
from server.publisher.log import SignedLeaves, read_entries
from server.publisher.plan import Publication
from server.publisher.published import Published, hash_public, load_published
from server.publisher.verify import RoleVersion
from server.storage.bounded import read_bounded
from server.storage.durable import write_durable
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.tree import list_roots, read_role

ANSWER_SECONDS = 60.0
"""The timeout of an answer: at a site's first request every role file is verified there."""


@dataclass(frozen=True, slots=True)
class PublicHalf(HeldSigner):
    """Stands for a role's key in the key process; it signs nothing itself."""

    key: SSlibKey
    reason = "the key process signs"

    @property
    def public_key(self) -> SSlibKey:
        """The public half as TUF metadata holds it."""
        return self.key

    def sign(self, payload: bytes) -> Signature:
        """Refuse: the key process signs whole publications, not given bytes."""
        raise TrustError(f"{len(payload)} bytes are not signed here: the key process signs.")


@dataclass(frozen=True, slots=True)
class LogHalf:
    """Stands for a key of the log in the key process, and asks it to sign."""

    verifier: VerifierKey
    process: "KeySocket"

    def sign(self, text: bytes, history: History | None = None) -> bytes:
        """Return the signature of a checkpoint's text; `history` shows how it follows the log."""
        if history is None:
            raise TrustError("a checkpoint without its log is not signed: the key process signs.")
        return self.process.sign_checkpoint(self.verifier, text, history)


class KeySocket:
    """The publisher's client of the key process of a state folder."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._size = 0  # leaves of the largest signed checkpoint, as far as known here

    def load(self) -> OnlineKeys:
        """Return the public halves of the present keys.

        If the key process lacks the public state, because its record is new or an older copy, that
        is sent first.
        """
        state, size = self._describe(), self._public_size()
        # If it has more leaves, another node published them, and this copy is behind.
        if state.size < size or (state.size == size and not state.is_known):
            with contextlib.suppress(PublishError):  # the next request reports the error
                self._synchronize(state)
                state = self._describe()
        self._size = state.size
        halves = {role: [_half(text) for text in state.roles[role]] for role in ROLES}
        logs = [LogHalf(decode_verifier_key(text), self) for text in state.log]
        return OnlineKeys(
            {role: keys[0] for role, keys in halves.items()},
            logs[0],
            {role: keys[1] for role, keys in halves.items() if len(keys) > 1},
            logs[1] if len(logs) > 1 else None,
            state.size,
        )

    def plan(
        self,
        submitted: Sequence[RoleVersion],
        pointers: Mapping[str, Pointer],
        now: datetime,
        *,
        renew: bool,
        logged: Mapping[str, int],
        burned: Mapping[str, Collection[int]],
    ) -> Publication:
        """Return the publication, verified and signed by the key process."""
        files = list(submitted)
        request = messages.Publish(
            hash_public(self._folder.public),
            now,
            files,
            {path: encode_pointer(pointer) for path, pointer in pointers.items()},
            renew,
            dict(logged),
            {role: sorted(versions) for role, versions in burned.items()},
        )
        answer = self._settled(request)
        if not isinstance(answer, messages.Signed):
            raise _unexpected(answer)
        return Publication((*files, *answer.files), answer.timestamp, answer.snapshot)

    def sign_checkpoint(self, key: VerifierKey, text: bytes, history: History) -> bytes:
        """Return the signature of a checkpoint's text by `key`.

        Raises StorageError if this log and the signed one are not of one history, and
        LeafRefusedError for a leaf that belongs to no publication of the key process.
        """
        size = decode_checkpoint_text(text.decode(), key).size
        for _ in range(3):  # another publisher may have had a larger one signed meanwhile
            request = plan_log_request(str(key), text, size, self._size, history)
            try:
                answer = self._ask(request)
            except PublishError as error:  # not the fault of a bundle
                raise StorageError(str(error)) from error
            if isinstance(answer, messages.Signature):
                return answer.signature
            if isinstance(answer, messages.Unexpected):
                raise LeafRefusedError(f"the key process refuses: {answer.reason}", self._size)
            if not isinstance(answer, messages.LogSize):
                raise _unexpected(answer)
            self._size = answer.size
        raise StorageError("another publisher is using the key process: try again.")

    def read_leaves(self, first: int) -> SignedLeaves:
        """Return the leaves that were signed from the index `first` on."""
        entries = list[bytes]()
        while isinstance(
            answer := self._ask(messages.ReadLeaves(first + len(entries))), messages.Leaves
        ):
            if not answer.entries:
                return SignedLeaves(first, entries, answer.root)
            entries += answer.entries
        raise _unexpected(answer)

    def create_next(self, names: Collection[str], *, afresh: bool) -> None:
        """Make next keys, and write their public halves to this folder's `public.json`."""
        _done(
            self._settled(messages.MakeNext(hash_public(self._folder.public), list(names), afresh))
        )
        self.write_public()

    def promote(self, names: Collection[str]) -> None:
        """Make next keys the current ones."""
        if names:
            _done(self._settled(messages.SwitchTo(hash_public(self._folder.public), list(names))))

    def write_public(self) -> None:
        """Write `public.json`, which the signers read, into this state folder."""
        write_durable(self._folder.keys / "public.json", encode_public(self.load()))

    def _describe(self) -> messages.Held:
        state = self._ask(messages.Describe(hash_public(self._folder.public)))
        if not isinstance(state, messages.Held) or state.roles.keys() != set(ROLES):
            raise _unexpected(state)
        return state

    def _synchronize(self, state: messages.Held) -> None:
        """Send the key process the public state and the log, as far as it lacks them."""
        if not state.is_known:
            published = load_published(self._folder.public)
            _done(
                self._ask(
                    messages.Adopt([] if published is None else self._public_files(published))
                )
            )
        log, size = self._folder.public / "log", self._public_size()
        if state.size < size:
            note = read_bounded(log / "checkpoint", MAX_NOTE)
            leaves = read_entries(log, size, state.size)
            self._ask(messages.ContinueLog(note, state.size, leaves))

    def _public_size(self) -> int:
        """Return how many leaves the public checkpoint has, which the key process verifies."""
        path = self._folder.public / "log" / "checkpoint"
        return decode_size(read_bounded(path, MAX_NOTE)) if path.exists() else 0

    def _settled(self, request: messages.Request) -> messages.Answer:
        """Send a request; if the key process lacks the public state, send that and try again."""
        answer = self._ask(request)
        if not isinstance(answer, messages.Unknown):
            return answer
        self._synchronize(self._describe())
        return self._ask(request)

    def _public_files(self, published: Published) -> list[RoleVersion]:
        """Read every root, and the current version of each role."""
        timestamp = published.timestamp.version
        versions = [("root", n) for n in list_roots(self._folder.public, timestamp)]
        versions += [*published.versions().items(), ("snapshot", published.snapshot.version)]
        return [
            RoleVersion(role, version, read_role(self._folder.public, role, version))
            for role, version in [*versions, ("timestamp", timestamp)]
        ]

    def _ask(self, request: messages.Request) -> messages.Answer:
        path = self._folder.keys_socket
        frame = messages.encode_frame(request)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as one:
                one.settimeout(ANSWER_SECONDS)
                one.connect(path)
                one.sendall(frame)
                answer = messages.decode_answer(
                    _receive(one, messages.decode_head(_receive(one, messages.HEAD)))
                )
        except (OSError, FormatError) as error:
            raise StorageError(
                f"the key process does not answer at {path} ({error}): check that"
                " `hening-server keys serve` runs there."
            ) from error
        if isinstance(answer, messages.Refused):
            kind = StorageError if answer.environment else PublishError
            raise kind(f"the key process refuses: {answer.reason}")
        return answer


def plan_log_request(
    key: str, text: bytes, size: int, signed: int, history: History
) -> messages.SignCheckpoint:
    """Return the request to sign a checkpoint of `size` leaves; `signed` are signed so far.

    Raises StorageError if fewer leaves are signed than are public.
    """
    tree = history.tree
    if signed < history.public:
        raise StorageError(
            f"the key process knows {signed} leaves of the log, but {history.public} are public:"
            " see in the messages of the key process why it does not follow."
        )
    if size > signed:
        leaves = list(history.entries[signed - history.first : size - history.first])
        return messages.SignCheckpoint(key, text, signed, leaves, [])
    # Without the larger tree there is no proof, and the refusal says what to do.
    proof = tree.consistency_proof(size, signed) if signed <= tree.size else []
    return messages.SignCheckpoint(key, text, signed, [], proof)


def _receive(one: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = one.recv(min(length - len(data), 1 << 20))
        if not part:
            raise FormatError("it closed the connection")
        data += part
    return bytes(data)


def _half(text: str) -> PublicHalf:
    try:
        key = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(text)))
    except ValueError as error:
        raise FormatError("the key process sent a malformed key.") from error
    return PublicHalf(key)


def _done(answer: messages.Answer) -> None:
    if not isinstance(answer, messages.Done):
        raise _unexpected(answer)


def _unexpected(answer: messages.Answer) -> StorageError:
    return StorageError(
        f"the key process gave the unexpected answer {type(answer).__name__}: it is of another"
        " version; restart it."
    )
