"""The `[compat]` settings: the dialects, and their devices and client channels."""

import re
from typing import Annotated, Literal, TypeAlias

import msgspec

from server.core.errors import FormatError
from server.core.names import decode_channel
from server.http.requests import GateMode

DialectName: TypeAlias = Literal[
    "lineage1", "lineage2", "graphene", "calyx", "custota", "crdroid", "pixelexperience"
]
Counter = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
WHOLE_FLEET = 1000  # permille
SENTENCE = (
    "With a dialect the fleet is not one anonymity set: each poll shows the model, and most show it"
    " again in the User-Agent (docs/PRIVACY.md)."
)
# One segment of a path of an app.
SEGMENT = r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,63}"
Segment = Annotated[str, msgspec.Meta(pattern=rf"^{SEGMENT}\Z")]
_ONE_CHANNEL = ("custota", "crdroid", "pixelexperience")
_URL = re.compile(
    r"https?://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?|https?://\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?"
)


class ClientChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The region and channel for an app's name of a channel.

    `from_counter`: builds whose `min_counter` is higher are not offered. `permille`: a build is
    offered under this name when the rollout has reached this share of the fleet. Below 1000 it is a
    canary channel, whose clients take part in stages.
    """

    region: str
    channel: str
    from_counter: Counter = 0
    permille: Annotated[int, msgspec.Meta(ge=1, le=WHOLE_FLEET)] = WHOLE_FLEET


class CompatOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of the dialects; by default there are none.

    `listen`: `ADDRESS:PORT` of their listener; empty if only an edge serves the export.
    `public_url`: the address for apps, without a slash at the end. `tls_cert`, `tls_key`: PEM
    files, read again at SIGHUP. `gate`: as for the device plane; `strict` refuses all headers that
    the apps do not send. `dialects`: the configured dialects. `devices`: an app's name of a model,
    and the codename. `channels`: an app's name of a channel, and the channel. `one_channel`: the
    client channel of the dialects whose paths name none; required if there are several.
    `lineage_incremental`: lists of version 2 have an incremental, for forks that read it.
    `crdroid_shape`: `response`, or `array` for the newer app. `pe_versions`: the VERSIONs that
    PixelExperience's app asks for. `calyx_locale`: the language of CalyxOS's changelogs.
    """

    listen: str = ""
    public_url: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    gate: GateMode = GateMode.DIRECT
    dialects: Annotated[tuple[DialectName, ...], msgspec.Meta(max_length=7)] = ()
    devices: Annotated[dict[Segment, str], msgspec.Meta(max_length=2000)] = {}
    channels: Annotated[dict[Segment, ClientChannel], msgspec.Meta(max_length=32)] = {}
    one_channel: str = ""
    lineage_incremental: bool = False
    crdroid_shape: Literal["response", "array"] = "response"
    pe_versions: Annotated[tuple[Segment, ...], msgspec.Meta(max_length=16)] = ()
    calyx_locale: str = "en"

    @property
    def single(self) -> str:
        """The client channel of dialects whose paths name none."""
        return self.one_channel or next(iter(self.channels), "")


def check_options(options: CompatOptions) -> None:
    """Raise FormatError unless the options can be served."""
    if not options.dialects:
        return
    if not options.devices or not options.channels:
        raise FormatError(
            "[compat] has a dialect but no devices or no channels: name at least one of each in"
            " [compat.devices] and [compat.channels]."
        )
    if _URL.fullmatch(options.public_url) is None:
        raise FormatError(
            "[compat] needs public_url, the address for apps: https://HOST or https://HOST:PORT."
        )
    if "lineage2" in options.dialects and not options.public_url.startswith("https://"):
        raise FormatError(
            "[compat] has the dialect lineage2, whose app refuses URLs other than https: set such a"
            " public_url, and tls_cert and tls_key or an edge with TLS."
        )
    if bool(options.tls_cert) != bool(options.tls_key):
        raise FormatError("[compat] needs tls_cert and tls_key together, or neither.")
    for codename in options.devices.values():
        for channel in options.channels.values():
            decode_channel(f"{codename}/{channel.region}/{channel.channel}")
    _check_one_channel(options)
    _check_joined(options)


def _check_one_channel(options: CompatOptions) -> None:
    if options.one_channel and options.one_channel not in options.channels:
        raise FormatError(
            f"[compat] one_channel is {options.one_channel!r}, which is not in channels."
        )
    single = [name for name in options.dialects if name in _ONE_CHANNEL]
    if single and len(options.channels) > 1 and not options.one_channel:
        raise FormatError(
            f"[compat] has the dialect {single[0]}, whose paths name no channel: set one_channel."
        )
    if "pixelexperience" in options.dialects and not options.pe_versions:
        raise FormatError(
            "[compat] has the dialect pixelexperience, whose paths end with a version: name the"
            " versions in pe_versions."
        )


def _check_joined(options: CompatOptions) -> None:
    """Raise FormatError if two devices and channels have one joined name, which is never split."""
    if not {"graphene", "calyx"} & set(options.dialects):
        return
    joined: dict[str, str] = {}
    for device in options.devices:
        for channel in options.channels:
            if joined.setdefault(f"{device}-{channel}", device) != device:
                raise FormatError(
                    f"[compat] has two devices and channels with the name {device}-{channel}:"
                    " rename one of them."
                )
