"""A headless Chromium with software OpenGL, driven over the DevTools protocol through a pair of pipes."""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import psutil
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
FAREWELL = 5.0  # seconds that it has to end by itself
PATIENCE = 300.0  # seconds; software OpenGL on a busy machine is slow


def find_chromium() -> str:
    """The path of a Chromium; skips the test where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium on this machine (looked for {', '.join(NAMES)})")
    return found


class Browser:
    """Context manager. One page at a time is enough here."""

    def __enter__(self) -> Browser:
        program = find_chromium()
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        # The protocol's pipes are descriptors 3 and 4 of the browser.
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", program, *FLAGS,
             f"--user-data-dir={self._profile.name}", "about:blank"],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._numbers, self._buffer, self._session = itertools.count(1), b"", None
        self.complaints: list[str] = []
        try:
            self._open_page()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _open_page(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __exit__(self, *error: object) -> None:
        """Ask it to end, and end what is left: some of its processes are in sessions of their own."""
        browser = psutil.Process(self._process.pid)
        family = [browser, *browser.children(recursive=True)]
        with contextlib.suppress(OSError):
            os.write(
                self._write,
                json.dumps({"id": next(self._numbers), "method": "Browser.close"}).encode() + b"\0",
            )
        _, left = psutil.wait_procs(family, timeout=FAREWELL)
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=FAREWELL)
        self._process.wait()
        os.close(self._read)
        os.close(self._write)
        self._profile.cleanup()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a method of the protocol; raises RuntimeError with the browser's words."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            self._note(answer)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            part = os.read(self._read, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError("the browser went away" if ready else "the browser does not answer")
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def _note(self, message: dict[str, Any]) -> None:
        """Keep errors, and requests for anything that is not in the page."""
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(message["params"]["exceptionDetails"].get("exception")))
        if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.complaints.append(message["params"]["entry"]["text"])
        if message.get("method") == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:")):
                self.complaints.append(f"asked the network for {url}")

    def open(
        self, page: Path, width: int = 64, height: int = 48, fragment: str = "", ratio: float = 1
    ) -> None:
        """Load a page into a window of CSS pixels, and wait until its scripts have run."""
        self.complaints.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=ratio, mobile=False,
        )  # fmt: skip
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=f"{Path(page).resolve().as_uri()}{fragment}")
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def visit(self, address: str, width: int, height: int) -> None:
        """Load what a server on this machine serves into a window of CSS pixels, and wait for it."""
        self.complaints.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.protocol === 'http:'")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, as JSON has it; promises are waited for."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"].get("exception")))
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(condition):
            if time.monotonic() > end:
                raise RuntimeError(f"waited in vain for {condition}")
            time.sleep(0.05)

    def numbers(self, script: str) -> np.ndarray:
        """An expression that gives a typed array of 8 or 32 bits: uint8 or float32 (float64 is rounded)."""
        packed = self.run(
            f"(() => {{ let a = {script}; const small = a instanceof Uint8Array;"
            " const bytes = small ? a : new Uint8Array(Float32Array.from(a).buffer); let text = '';"
            " for (let i = 0; i < bytes.length; i += 8192)"
            "   text += String.fromCharCode(...bytes.subarray(i, i + 8192));"
            " return [small, btoa(text)]; })()"
        )
        return np.frombuffer(base64.b64decode(packed[1]), np.uint8 if packed[0] else np.float32)

    def screenshot(self) -> np.ndarray:
        """What is on the screen: ``(H, W, 3)`` uint8."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return iio.imread(io.BytesIO(data))[..., :3]

    def mouse(self, kind: str, x: float, y: float, **parameters: Any) -> None:
        """A mouse event: mousePressed, mouseMoved, mouseReleased, mouseWheel."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **parameters)

    def key(self, key: str) -> None:
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)
