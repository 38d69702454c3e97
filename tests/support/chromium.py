"""A headless Chromium that stays open, asked and steered over its DevTools protocol: one for all tests of a session."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.support.browser import CHROMIUM, OPTIONS

LONGEST_S = 200.0
"""How long one answer of the browser may take; the machine may be busy."""
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
"""Codes of keys."""
AWAKE = ("--disable-background-timer-throttling", "--disable-renderer-backgrounding")
"""Options with which pages behind others go on."""
FAULTS = ("Runtime.exceptionThrown", "Log.entryAdded")
OWN = ("file:", "data:", "blob:")
"""Addresses that are no network."""


def _pipe() -> tuple[int, int]:
    """Where to read and where to write, away from the numbers 3 and 4, which Chromium uses."""
    low = os.pipe()
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low]
    for end in low:
        os.close(end)
    return ends[0], ends[1]


class Chromium:
    """The browser.

    Args:
        profile: an empty folder for what it keeps.
        options: more options of its command line.
    """

    def __init__(self, profile: Path, *options: str) -> None:
        assert CHROMIUM is not None
        its_input, self._to = _pipe()
        self._from, its_output = _pipe()
        command = [CHROMIUM, *OPTIONS, *AWAKE, "--remote-debugging-pipe", f"--user-data-dir={profile}", *options]
        self._said = (profile / "stderr.txt").open("wb")
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{its_input} 4>&{its_output}', "chromium", *command],
            pass_fds=(its_input, its_output),
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )
        os.close(its_input)
        os.close(its_output)
        self._left = b""
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Ask for a method of the protocol and return its result."""
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": parameters}
        if session is not None:
            asked["sessionId"] = session
        os.write(self._to, json.dumps(asked).encode() + b"\0")
        stop = time.monotonic() + LONGEST_S
        while True:
            said = self._next(stop)
            if said.get("id") == number:
                assert "error" not in said, (method, said["error"])
                found: dict[str, Any] = said["result"]
                return found
            self.events.append(said)

    def _next(self, stop: float) -> dict[str, Any]:
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._from], [], [], max(0.0, stop - time.monotonic()))
            assert ready, f"Chromium did not answer for {LONGEST_S:.0f} s"
            some = os.read(self._from, 1 << 20)
            assert some, f"Chromium ended: {Path(self._said.name).read_text()[-2000:]}"
            self._left += some
        text, self._left = self._left.split(b"\0", 1)
        found: dict[str, Any] = json.loads(text)
        return found

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)
        self._said.close()
        os.close(self._to)
        os.close(self._from)


class Tab:
    """A page in the browser.

    Args:
        browser: where it is opened.
        address: of the page.
        before: a script that runs before those of the page.
        width: of the window, px.
        dark: whether the system asks for dark pages.
    """

    def __init__(
        self, browser: Chromium, address: str, *, before: str = "", width: int = 1400, dark: bool = False
    ) -> None:
        self.browser = browser
        self.target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.send("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for part in ("Page", "Runtime", "Log", "Network", "Performance"):
            self.send(f"{part}.enable")
        self.resize(width)
        self.send(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": ("light", "dark")[dark]}]
        )
        if before:
            self.send("Page.addScriptToEvaluateOnNewDocument", source=before)
        self.send("Page.navigate", url=address)
        self.run("while (document.readyState !== 'complete') await new Promise((done) => setTimeout(done, 10));")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for a method of the protocol."""
        return self.browser.send(method, self.session, **parameters)

    def resize(self, width: int, height: int = 1200) -> None:
        """Give the window another size, in px."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def run(self, script: str) -> Any:  # noqa: ANN401
        """Run the body of an asynchronous function in the page and return what it returns."""
        told = self.send(
            "Runtime.evaluate", expression=f"(async () => {{ {script} }})()", awaitPromise=True, returnByValue=True,
            userGesture=True,
        )  # fmt: skip
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        code = {"windowsVirtualKeyCode": KEYS[key], "key": key, "code": "Space" if key == " " else key}
        self.send("Input.dispatchKeyEvent", type="keyDown", **code, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **code)

    def point(self, x: float, y: float, kind: str = "mouseMoved") -> None:
        """Move the pointer, or press or release its button."""
        self.send("Page.bringToFront")
        button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def drop(self, x: float, y: float, *files: Path) -> None:
        """Drag files over a place of the page and let them fall there."""
        self.send("Page.bringToFront")
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.send("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def picture(self, to: Path, **more: Any) -> None:
        """Write what the window shows as a PNG."""
        to.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png", **more)["data"]))

    def faults(self) -> list[dict[str, Any]]:
        """Return what went wrong in the page so far: errors, and all that it wrote to the console."""
        wrong = (*FAULTS, "Runtime.consoleAPICalled")
        return [each["params"] for each in self._events() if each["method"] in wrong]

    def requests(self) -> list[str]:
        """Return the addresses on a network that the page asked for."""
        asked = [each["params"] for each in self._events() if each["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in asked if not each["request"]["url"].startswith(OWN)]

    def _events(self) -> list[dict[str, Any]]:
        return [each for each in self.browser.events if each.get("sessionId") == self.session]

    def close(self) -> None:
        """Close the page."""
        self.browser.send("Target.closeTarget", targetId=self.target)
