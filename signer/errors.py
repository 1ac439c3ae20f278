"""The error tree of the signer; every message is one sentence that says what to do about it.

    SignerError
    ├── KeyStoreError     a key file, passphrase or public half that cannot be used
    ├── WorkFolderError   the folder of signed metadata, or something in it, is not sound
    ├── CeremonyError     a request that would make an invalid repository
    ├── ProposalError     a proposal or signature file that cannot be used as it is
    ├── ReleaseRefusal    a package that must not be signed as requested
    ├── EnvironmentFailedError a missing folder, file descriptor or token
    │   └── MirrorUnavailableError  `signer.audit.findings`
    ├── MemoryFileError   an audit's memory file that cannot be read: `signer.audit.findings`
    ├── ContentError      a pack that must not be signed
    ├── SourceError       a source of a content pack that is not sound
    ├── AnswerError       a mirror's answer that breaks the format: `signer.audit.findings`
    └── OtaError          a package that is not sound: `signer.ota.errors`

Foreign errors are converted to these in:

- `server.core`'s HeningError: `refusing`, at each public function that calls the core;
- python-tuf's and securesystemslib's: `server.core.metadata` and `signer.signing`;
- cryptography's: `signer.keys.key_file`, `keystore` and `public_key`;
- python-pkcs11's: `signer.keys.hsm`.

OSError is wrapped only if EnvironmentFailedError can say more. Both mean that the environment
failed, which has its own exit status.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from server.core.errors import HeningError


class SignerError(Exception):
    """Base of every error that the signer raises."""


class KeyStoreError(SignerError):
    """A key file, passphrase or public half that cannot be used."""


class WorkFolderError(SignerError):
    """The working folder of signed metadata, or something in it, is not sound."""


class CeremonyError(SignerError):
    """A request that would make an invalid repository."""


class ProposalError(SignerError):
    """A proposal or signature file that cannot be used as it is."""


class ReleaseRefusal(SignerError):  # noqa: N818 - a refusal is the answer, not a malfunction
    """A package that must not be signed as requested."""


class EnvironmentFailedError(SignerError):
    """A folder, file descriptor or token is missing."""


class Interrupted(KeyboardInterrupt):
    """The program was interrupted in the middle of its work; the message says how to finish it."""


@contextmanager
def resumable(advice: str) -> Iterator[None]:
    """Raise Interrupted with `advice` on how to finish, if the block is interrupted."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(advice) from error


@contextmanager
def refusing(kind: type[SignerError]) -> Iterator[None]:
    """Turn an error of `server.core` into one of `kind`, with its message.

    The message's first letter is capitalised if the message begins with an article or `this`. A
    name or path at its beginning stays as it is.
    """
    try:
        yield
    except HeningError as error:
        sentence = str(error)
        if sentence.startswith(("a ", "an ", "the ", "this ")):
            sentence = sentence[:1].upper() + sentence[1:]
        raise kind(sentence) from error


class SourceError(SignerError):
    """A source that cannot be read or has forbidden content; the message names file and line."""


class ContentError(SignerError):
    """A pack that must not be signed, or files that are not a pack."""
