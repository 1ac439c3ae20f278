"""What the phone's cloud raises.

CloudError                 the phone refuses; every error of this package is one
├── OffError               the owner has not turned this on, or turned it off meanwhile
├── UnavailableError       no connection, a broken one, or a server that has no time now
├── RefusedError           the server refuses; has the status and the code
├── DeceivedError          the server's answer is not one that an honest server gives
├── SealError              a ciphertext does not open: another key, or changed bytes
├── RecordError            a record or a file of the owner's cannot be read
└── StoreError             the phone's own memory of the cloud failed

Each message is one sentence that a person can act on.
"""

from client_sim.errors import SimulatorError


class CloudError(SimulatorError):
    """The phone's cloud refuses; every error of this package is one."""


class OffError(CloudError):
    """The owner has not turned this on, or has turned it off meanwhile; nothing more is sent."""


class UnavailableError(CloudError):
    """The server cannot be reached or has no time now; trying again later may help."""


class RefusedError(CloudError):
    """The server refuses with `status` and `code`, whose sentence is the phone's own."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(_SENTENCES.get(code, f"The server refuses this ({status}, {code})."))
        self.status = status
        self.code = code


class DeceivedError(CloudError):
    """The server's answer is not one that an honest server gives; nothing of it was used."""


class SealError(CloudError):
    """A ciphertext does not open: it was made with another key, or changed."""


class RecordError(CloudError):
    """A record, or a file that the owner imports, is not what it should be."""


class StoreError(CloudError):
    """The phone's own memory of the cloud cannot be read or written."""


_SENTENCES = {
    "account_suspended": "The operator has suspended this account: only export and erasure work.",
    "consent_required": "The server has another policy: read it and agree with `cloud consent`.",
    "device_not_approved": "This phone waits until another of your phones approves it.",
    "device_without_key": "Register this phone first: log in again.",
    "guardian_required": "At this age a guardian has to agree, too: use --guardian.",
    "invalid_token": "This phone was logged out: log in again.",
    "login_bad_signature": "Name and password do not belong together.",
    "no_recovery": "Set up recovery words first.",
    "no_room": "The server has no room now; nothing was changed there.",
    "not_ciphertext": "The server says that this is not encrypted; nothing was stored.",
    "other_policy": "The policy has changed meanwhile: read it again with `cloud policy`.",
    "quota_exceeded": "Your space on the server is full; downloads go on.",
    "region_closing": "This region closes and takes nothing new: move to another one.",
    "signup_closed": "This server makes accounts only by its operator.",
    "too_young": "The policy of this region asks for a higher age.",
    "user_exists": "This name is taken: choose another one.",
    "user_not_init": "This name waits for its owner: use `cloud sign-up`.",
}
