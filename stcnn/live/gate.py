"""Who may connect: addresses of this machine alone, unless there is a token that peers must show."""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from stcnn.errors import ConfigError, FileError, nearest

VARIABLE = "STCNN_TOKEN"
FEWEST_CHARACTERS = 16
MOST_TOKEN_BYTES = 4096


class Address(NamedTuple):
    """Where to listen or whom to call."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        """Show it as it was written."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False  # a name, of which nobody knows where it will lead


def address_of(text: str, schemes: tuple[str, ...]) -> Address:
    """Read an address such as ``ws://127.0.0.1:8765``.

    Raises:
        ConfigError: it is none, or of another scheme.
    """
    found = re.fullmatch(r"([a-z]+)://(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(\d{1,5})/?", text)
    if found is None or int(found[3]) > 65535:
        raise ConfigError(f"'{text}' is no address", expected="SCHEME://HOST:PORT such as ws://127.0.0.1:8765")
    if found[1] not in schemes:
        raise ConfigError(f"the address '{text}' begins with '{found[1]}'", remedy=nearest(found[1], schemes))
    return Address(found[1], found[2].strip("[]"), int(found[3]))


def token_from(file: Path | None) -> str | None:
    """Return the token of a file, else of the environment variable ``STCNN_TOKEN``, else None.

    There is no option for the token itself: a list of processes would show it to everybody on the machine.

    Raises:
        FileError: the file cannot be read, or others may read it.
        ConfigError: the token is too short.
    """
    if file is None:
        token, where = os.environ.get(VARIABLE, ""), f"the variable {VARIABLE}"
        if not token:
            return None
    else:
        token, where = _read(file), f"the file {file}"
    token = token.strip()
    if len(token) < FEWEST_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"the token of {where} has {len(token)} characters, or some that are no printable ASCII",
            expected=f"at least {FEWEST_CHARACTERS} printable characters without spaces",
            remedy='make one with: python -c "import secrets; print(secrets.token_urlsafe())"',
        )
    return token


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            text = opened.read(MOST_TOKEN_BYTES)
    except OSError as error:
        raise FileError(f"the token file {file} cannot be read ({error.strerror})") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise FileError(f"others may read the token file {file}", remedy=f"run: chmod 600 {file}")
    return text.decode("ascii", "replace")


class Gate:
    """Decides whether a peer may come in.

    Args:
        token: that peers must show; None lets everybody in who can reach the address.
    """

    def __init__(self, token: str | None) -> None:
        self.token = token

    def require_safe(self, address: Address) -> None:
        """Refuse to listen to other machines without a token.

        Raises:
            ConfigError: there is none.
        """
        if self.token is None and not address.is_loopback:
            raise ConfigError(
                f"{address} can be reached from other machines, and there is no token",
                expected="an address of this machine such as 127.0.0.1",
                remedy=f"name a file with --token-file, or set {VARIABLE}",
            )

    def admits(self, given: str | bytes | None) -> bool:
        """Whether this is the token, in a time that does not depend on how much of it is right."""
        if self.token is None:
            return True
        shown = given.encode("utf-8", "replace") if isinstance(given, str) else given or b""
        return hmac.compare_digest(shown, self.token.encode())
