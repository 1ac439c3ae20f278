"""The errors of formats and rules; nothing in `server.core` raises anything else.

    HeningError
    ├── FormatError      malformed bytes or values
    ├── ProfileError     valid TUF metadata that breaks a rule of the profile
    ├── TrustError       an invalid signature, version or expiry
    ├── ReleaseError     releases or pointers that contradict each other or their past
    └── LogError         an invalid proof, checkpoint or append

Every message is one sentence that can be shown to a person.
"""


class HeningError(Exception):
    """The base class of all refusals by the server, the signer or their formats."""


class FormatError(HeningError):
    """Malformed bytes or values."""


class ProfileError(HeningError):
    """Valid TUF metadata that breaks a rule of the profile."""


class TrustError(HeningError):
    """An invalid signature, version or expiry."""


class ReleaseError(HeningError):
    """Releases or pointers that contradict each other or their past."""


class LogError(HeningError):
    """An invalid proof, checkpoint or append."""
