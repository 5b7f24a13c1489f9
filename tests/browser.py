"""A headless Chromium, spoken to over a pipe in its own protocol (CDP): no driver, no port, no
package.

Protocol: https://chromedevtools.github.io/devtools-protocol/ (domains Target, Page, Runtime,
Emulation, Network).
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

PATIENCE = 120.0


def chromium() -> str | None:
    """Where the browser is, None where there is none."""
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


class Browser:
    """One tab. `errors` collects what the pages' scripts and the console complained of."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = os.fdopen(reading, "rb"), os.fdopen(writing, "wb")
        self._number = 0
        self._buffer = b""
        self._events: list[dict[str, Any]] = []
        self.errors: list[str] = []
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._page(f"{domain}.enable")

    def look(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Set the width and height of the window (CSS pixels), and whether the reader prefers
        dark.
        """
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._page("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._page("Emulation.setEmulatedMedia", {"features": [scheme]})

    def cookie(self, url: str, name: str, value: str) -> None:
        """Give the browser a cookie."""
        self._page("Network.setCookie", {"url": url, "name": name, "value": value})

    def clear_cookies(self) -> None:
        """Forget who is logged in."""
        self._page("Network.clearBrowserCookies")

    def open(self, url: str) -> None:
        """Go to an address and wait until the page is loaded."""
        self._events.clear()
        self._page("Page.navigate", {"url": url})
        self._await("Page.loadEventFired")

    def ask(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        arguments = {"expression": script, "returnByValue": True, "awaitPromise": True}
        answer = self._page("Runtime.evaluate", arguments)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def submit(self, script: str) -> None:
        """Run a script that leads to another page, and wait for it."""
        self._events.clear()
        self.ask(script)
        self._await("Page.loadEventFired")

    def picture(self, *, whole: bool = False) -> bytes:
        """The page as PNG: what is in the window, or all of it."""
        arguments: dict[str, Any] = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self._page("Page.getLayoutMetrics")["cssContentSize"]
            arguments["clip"] = {
                "x": 0,
                "y": 0,
                "width": size["width"],
                "height": size["height"],
                "scale": 1,
            }
        return base64.b64decode(self._page("Page.captureScreenshot", arguments)["data"])

    def _page(self, method: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._call(method, arguments, session=self._session)

    def _call(
        self, method: str, arguments: Mapping[str, Any] | None = None, session: str = ""
    ) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": dict(arguments or {})}
        if session:
            message["sessionId"] = session
        self._writing.write(json.dumps(message).encode() + b"\0")
        self._writing.flush()
        while (answer := self._next()).get("id") != self._number:
            self._keep(answer)
        assert "error" not in answer, (method, answer["error"])
        return dict(answer["result"])

    def _await(self, method: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not any(event["method"] == method for event in self._events):
            assert time.monotonic() < deadline, f"{method} did not come"
            self._keep(self._next())

    def _keep(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        if event["method"] == "Runtime.exceptionThrown":
            self.errors.append(str(event["params"]["exceptionDetails"].get("text")))
        if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
            self.errors.append(str(event["params"]["entry"]["text"]))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._reading], [], [], PATIENCE)
            assert ready, f"the browser said nothing for {PATIENCE:.0f} s"
            more = os.read(self._reading.fileno(), 1 << 16)
            assert more, "the browser has gone"
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with an empty profile, as long as it is needed."""
    program = chromium()
    assert program is not None
    to_read, to_write = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        flags = (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        )
        command = [
            program,
            *flags,
            f"--user-data-dir={profile}",
            "--no-proxy-server",
            "--remote-debugging-pipe",
        ]
        inherit = f'exec 3<&{to_write[0]} 4>&{to_read[1]}; exec "$@"'
        process = subprocess.Popen(
            ["bash", "-c", inherit, "bash", *command],
            pass_fds=(to_write[0], to_read[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_write[0])
        os.close(to_read[1])
        try:
            yield Browser(to_read[0], to_write[1])
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)
