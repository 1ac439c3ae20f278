"""Selects the settings that a bare root takes from its machine: only the sources of packages.

The functions take the settings as text; `tests/bare/root.py` reads the files.
"""

import configparser
import re
from collections.abc import Iterable, Mapping

#: pip's settings for the sources of packages and the way to them. `find-links` and `cache-dir` are
#: missing: they name folders of the machine, which the root does not see.
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

    Both forms are supported: stanzas with `URIs:`, and lines that begin with `deb`.
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
    """Return those of pip's settings that are in PIP, from its files in pip's order of reading.

    Variables of the environment override them, as in pip.
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
    """Return a `pip.conf` of the settings, with a line for each of several addresses."""
    lines = [f"{key} = {value.replace(chr(10), chr(10) + '  ')}" for key, value in settings.items()]
    return "\n".join(["[global]", *lines, ""])
