"""What a bare root takes from the machine that makes it: where packages come from, and no more.

Decisions are made of texts that are passed in; `tests/bare/root.py` reads the files.
"""

import configparser
import re
from collections.abc import Iterable, Mapping

#: pip's settings that say where packages come from and how to reach them. `find-links` and
#: `cache-dir` name folders of the machine, which the root does not see.
PIP = (
    "index-url", "extra-index-url", "trusted-host", "proxy", "cert", "client-cert", "timeout",
    "default-timeout", "retries",
)  # fmt: skip
#: apt's settings of the same kind.
APT = re.compile(
    r'(Acquire::(?:https?|Check-[\w-]+|Retries|Languages|ForceIPv[46])\b[\w:./-]*) "([^"]+)";'
)
FILES = ("cert", "client-cert")


def keep_sources(text: str) -> str:
    """Return a file of apt's sources without those that are folders of the machine.

    Both forms are read: stanzas with `URIs:`, and lines that begin with `deb`.
    """
    stanzas = re.split(r"\n\s*\n", text.strip())
    kept = []
    for stanza in stanzas:
        lines = [
            line
            for line in stanza.splitlines()
            if not line.startswith("#") and not re.match(r"deb\s.*\b(?:file|cdrom|copy):", line)
        ]
        if lines and not re.search(r"^URIs:.*\b(?:file|cdrom|copy):", stanza, re.MULTILINE):
            kept.append("\n".join(lines))
    return "".join(f"{stanza}\n\n" for stanza in kept)


def keep_apt_settings(dump: str) -> list[str]:
    """Return the lines of `apt-config dump` that say how the archive is reached."""
    return [match[0] for match in map(APT.fullmatch, dump.splitlines()) if match]


def keep_pip_settings(files: Iterable[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings that PIP names, from its files in the order in which pip reads them.

    Variables of the environment are stronger, as they are for pip.
    """
    found: dict[str, str] = {}
    for text in files:
        parser = configparser.RawConfigParser()
        parser.read_string(text)
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    for name in PIP:
        if value := environment.get("PIP_" + name.upper().replace("-", "_")):
            found[name] = value
    return {name: found[name] for name in PIP if name in found}


def write_pip_settings(settings: Mapping[str, str]) -> str:
    """Return a `pip.conf` of the settings; several addresses stand one on a line."""
    lines = [f"{key} = {value.replace(chr(10), chr(10) + '  ')}" for key, value in settings.items()]
    return "\n".join(["[global]", *lines, ""])
