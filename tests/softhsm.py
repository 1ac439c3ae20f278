"""Real PKCS #11 tokens for tests: SoftHSM with a private folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pkcs11

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN, OFFICER_PIN = "1234-5678", "officer-5678"


@dataclass(frozen=True, slots=True)
class SoftHsm:
    """A folder of tokens; `configuration` is the value of SOFTHSM2_CONF."""

    configuration: Path
    module: str = MODULE

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a program that uses these tokens."""
        return {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}

    def add(self, label: str) -> str:
        """Make a token and return its label."""
        program = shutil.which("softhsm2-util")
        assert program, "tests that come here say that they need softhsm"
        pins = ("--so-pin", OFFICER_PIN, "--pin", PIN)
        subprocess.run(
            [program, "--init-token", "--free", "--label", label, *pins],
            env=self.environment,
            check=True,
            capture_output=True,
        )
        return label

    def take(self, label: str, pem: Path, key_id: str) -> None:
        """Import a private key from an unencrypted PEM file with SoftHSM's own tool."""
        program = shutil.which("softhsm2-util")
        assert program, "tests that come here say that they need softhsm"
        key = ("--import", pem, "--label", "imported", "--id", key_id)
        subprocess.run(
            [program, *key, "--token", label, "--pin", PIN],
            env=self.environment,
            check=True,
            capture_output=True,
        )

    def is_pin_tried(self, label: str) -> bool:
        """Return whether the last PIN was wrong, by the token's own flag."""
        script = (
            "import sys, pkcs11; library, label = pkcs11.lib(sys.argv[1]), sys.argv[2];"
            "flags = library.get_token(token_label=label).flags;"
            "print(bool(flags & pkcs11.TokenFlag.USER_PIN_COUNT_LOW))"
        )
        # In a separate process, because the module reads its configuration and its tokens only
        # once.
        done = subprocess.run(
            [sys.executable, "-c", script, self.module, label],
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout == "True\n"

    @contextmanager
    def session(self, label: str) -> Iterator[pkcs11.Session]:
        """Log in to a token directly, with the PKCS #11 library."""
        token = pkcs11.lib(MODULE).get_token(token_label=label)
        session = token.open(rw=True, user_pin=PIN)
        try:
            yield session
        finally:
            session.close()


def make_softhsm(folder: Path, *settings: str) -> SoftHsm:
    """Make a folder of tokens; `settings` are further lines of its configuration."""
    tokens = folder / "tokens"
    tokens.mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    lines = (f"directories.tokendir = {tokens}", "objectstore.backend = file", *settings)
    configuration.write_text("\n".join(lines) + "\n")
    return SoftHsm(configuration)


def forget_module() -> None:
    """Let the next use of the module in this process read its configuration again."""
    pkcs11.unload(MODULE)
