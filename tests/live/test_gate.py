"""The gate: only this machine, unless there is a token."""

from __future__ import annotations

from pathlib import Path

import pytest

from stcnn.errors import ConfigError, FileError
from stcnn.live.gate import VARIABLE, Address, Gate, address_of, token_from

TOKEN = "sixteen-or-more-characters"


@pytest.mark.parametrize(
    ("text", "host", "port", "is_loopback"),
    [
        ("ws://127.0.0.1:8765", "127.0.0.1", 8765, True),
        ("ws://[::1]:80", "::1", 80, True),
        ("zmq://localhost:5555", "localhost", 5555, True),
        ("ws://0.0.0.0:8765", "0.0.0.0", 8765, False),
        ("ws://192.168.1.7:1", "192.168.1.7", 1, False),
        ("ws://localhost.evil.example:1", "localhost.evil.example", 1, False),
    ],
)
def test_addresses_are_read_and_those_of_this_machine_known(text: str, host: str, port: int, is_loopback: bool) -> None:
    address = address_of(text, ("ws", "zmq"))
    assert (address.host, address.port, address.is_loopback) == (host, port, is_loopback)
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8765", "'8765' is no address, expected SCHEME://HOST:PORT"),
        ("ws://127.0.0.1:99999", "is no address"),
        ("ws://127.0.0.1", "is no address"),
        ("wss://127.0.0.1:1", "begins with 'wss'. Did you mean 'ws'"),
    ],
)
def test_what_is_no_address_is_told(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        address_of(text, ("ws", "zmq"))


def test_other_machines_need_a_token() -> None:
    everywhere = Address("ws", "0.0.0.0", 8765)
    with pytest.raises(ConfigError, match="can be reached from other machines, and there is no token"):
        Gate(None).require_safe(everywhere)
    Gate(TOKEN).require_safe(everywhere)
    Gate(None).require_safe(Address("ws", "127.0.0.1", 8765))


def test_only_the_token_is_admitted() -> None:
    gate = Gate(TOKEN)
    assert gate.admits(TOKEN)
    assert gate.admits(TOKEN.encode())
    assert not any(gate.admits(wrong) for wrong in (None, "", TOKEN[:-1], TOKEN + "x", "ü", b"\xff"))
    assert Gate(None).admits(None)


def test_the_token_is_that_of_the_file_or_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert token_from(None) is None
    monkeypatch.setenv(VARIABLE, TOKEN)
    assert token_from(None) == TOKEN
    file = tmp_path / "token"
    file.write_text("another-token-of-the-lab\n")
    file.chmod(0o600)
    assert token_from(file) == "another-token-of-the-lab"


def test_a_token_that_others_can_read_or_guess_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    with pytest.raises(FileError, match="cannot be read"):
        token_from(file)
    file.write_text(TOKEN)
    file.chmod(0o644)
    with pytest.raises(FileError, match=r"others may read the token file.*[Rr]un: chmod 600"):
        token_from(file)
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(ConfigError, match="token of the variable STCNN_TOKEN has 5 characters"):
        token_from(None)
