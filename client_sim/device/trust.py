"""The phone's trust: TUF's client workflow with this system's profile.

A delegated role is stored only after its log proof was verified, too. `check_agreement` compares
the pointer's offer with the release that the model's maintainers signed.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final

from tuf.api.metadata import DelegatedRole, Root, Snapshot, Targets

from client_sim.device.choose import Offer
from client_sim.device.errors import AgreementError, PointerError
from client_sim.device.limits import (
    apply_resets,
    check_followed,
    check_new_version,
    check_next_resets,
)
from client_sim.device.pointer import Pointer, decode_pointer, find_pointer_role
from client_sim.device.profile import check_leaf_role, check_root, check_targets
from client_sim.device.release import Release, decode_release, pointer_name
from client_sim.device.signed_time import (
    load_clock,
    newest_time,
    pointers_signing_time,
    raise_clock,
    signing_time,
)
from client_sim.device.tlog import verify_proof
from client_sim.device.workflow import Workflow

_EMPTY_SHA256: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclass(frozen=True, slots=True)
class SignedTarget:
    """A target as its codename role lists it: length in bytes, sha256, and its release."""

    length: int
    sha256: str
    release: Release


class Trust(Workflow):
    """The trusted metadata of one poll, starting from `state` and the root in the image.

    `now` is the phone's clock in epoch seconds, `built_at` the newest build date that the phone
    knows. The attribute `now` is the latest of both and the clock's floor, which polls raise
    (`raise_clock`). A reset in root may lower that floor, and other values that were pushed ahead
    for `codename`, before they are used. Every method raises TrustError; of its subclasses,
    ExpiredError is temporary.
    """

    def __init__(
        self,
        image_root: bytes,
        state: MutableMapping[str, bytes],
        *,
        now: float,
        built_at: int,
        codename: str = "",
    ) -> None:
        self._clock = max(now, float(built_at))
        self._codename = codename
        super().__init__(image_root, state, now=self._clock)
        self._heal()

    def accept_root(self, data: bytes) -> None:
        """Verify the next root, store it, and apply its resets."""
        super().accept_root(data)
        self._heal()

    def examine_root(self, root: Root) -> None:
        """Check the rules of FORMATS section 2 on a root."""
        check_root(root)

    def examine_next_root(self, old: Root, new: Root) -> None:
        """Check the resets of a root against those of the previous one."""
        check_next_resets(old, new)

    def examine_targets(self, targets: Targets) -> None:
        """Check the rules of FORMATS section 2 on the top-level targets."""
        check_targets(self.verified.root, targets)

    def examine_role(self, name: str, role: Targets) -> None:
        """Check the rules of FORMATS section 2 on a delegated role, and its resets."""
        check_leaf_role(name, role)
        check_followed(name, role, self.verified.root)

    def examine_new_version(self, name: str, signed: Targets | Snapshot) -> None:
        """Check the limits of FORMATS section 16."""
        signed_at = signing_time(self.verified.timestamp)
        check_new_version(name, signed, self.verified.root, signed_at)

    def _heal(self) -> None:
        apply_resets(self.state, self.verified.root, self._codename)
        self.now = max(self._clock, float(load_clock(self.state)))
        self.verified.set_time(self.now)

    def is_published(self, name: str) -> bool:
        """Tell whether the targets delegate to `name` and the snapshot lists it."""
        return name in self._delegated() and self.verified.find_meta(name) is not None

    def pointer_role(self, name: str) -> str:
        """Return the role that may hold the pointer `name`: `latest`, or a part of it."""
        return find_pointer_role(self._delegated(), name)

    def check_proof(self, proof: bytes, name: str, version: int, data: bytes) -> None:
        """Check that the log of the trusted root contains these bytes; raises LogError."""
        log_key = check_root(self.verified.root)
        verify_proof(proof, log_key, role=name, version=version, data=data)

    def find_pointer(self, codename: str, region: str, channel: str) -> Pointer | None:
        """Return the pointer of a model, region and channel, or None; raises PointerError."""
        name = pointer_name(codename, region, channel)
        role = self.verified.role(self.pointer_role(name))
        target = None if role is None else role.targets.get(name)
        if target is None:
            return None
        if target.length != 0 or target.hashes != {"sha256": _EMPTY_SHA256}:
            raise PointerError(f"The pointer {name} is not the empty file that it has to be.")
        return decode_pointer(name, target.unrecognized_fields.get("custom"))

    def find_release(self, path: str) -> SignedTarget:
        """Return a package as its codename role lists it; raises AgreementError, ReleaseError."""
        role = self.verified.role(path.partition("/")[0])
        target = None if role is None else role.targets.get(path)
        if target is None:
            raise AgreementError("The offered package is not listed by the role of its model.")
        release = decode_release(path, target.unrecognized_fields.get("custom"))
        return SignedTarget(target.length, target.hashes["sha256"], release)

    def schedule_time(self, pointer: str) -> float:
        """Return the time for the rollout schedule of `pointer`, epoch seconds.

        A slow clock is replaced by the signing time of the role that holds the pointer. The
        timestamp alone does not advance it: its key must not be able to admit phones.
        """
        role = self.verified.role(self.pointer_role(pointer))
        signed_at = 0 if role is None else pointers_signing_time(role)
        return max(self.now, float(min(signed_at, signing_time(self.verified.timestamp))))

    def raise_clock(self, codename: str) -> None:
        """Raise the clock's floor to the newest time that a verified codename role states.

        The floor is not raised above the signing time of the timestamp, so that neither an offline
        key nor the online keys alone can move it.
        """
        role = self.verified.role(codename)
        if role is not None:
            signed_at = signing_time(self.verified.timestamp)
            raise_clock(self.state, min(newest_time(role), signed_at))

    def _delegated(self) -> Mapping[str, DelegatedRole]:
        delegations = self.verified.targets.delegations
        return {} if delegations is None else delegations.roles or {}


def check_agreement(offer: Offer, target: SignedTarget) -> None:
    """Check that pointer and codename role agree about a package (FORMATS section 4).

    Raises AgreementError, also if the release was withdrawn.
    """
    release = target.release
    for what, offered, signed in (
        ("path", offer.path, release.path),
        ("length", offer.length, target.length),
        ("sha256", offer.sha256, target.sha256),
        ("counter", offer.counter, release.counter),
        ("post-timestamp", offer.post_timestamp, release.post_timestamp),
        ("security patch level", offer.security_patch_level, release.security_patch_level),
        ("type", offer.type, release.type),
        ("min_counter", offer.min_counter, release.min_counter),
        ("source builds", offer.source_builds, release.source_builds),
    ):
        if offered != signed:
            raise AgreementError(
                f"The {what} that is offered is not the one that the model's maintainers signed."
            )
    if release.withdrawn:
        raise AgreementError(f"Build {offer.counter} was withdrawn by the model's maintainers.")
