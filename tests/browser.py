"""A small driver of headless Chromium: the DevTools protocol over two pipes, with no port and no network."""

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-features=OptimizationHints,MediaRouter,Translate",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # whatever it wants to look up, it does not find
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
LIMIT = 60.0  # seconds that one answer may take


def found() -> str | None:
    """The browser's path; ``None`` where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def browser(profile: Path) -> Iterator["Browser"]:
    """Start a browser with a profile of its own, and end it."""
    path = found()
    assert path is not None
    to_browser, commands = os.pipe()
    answers, from_browser = os.pipe()
    # The browser reads descriptor 3 and writes to 4.
    line = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
    process = subprocess.Popen(
        ["bash", "-c", line, path, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(to_browser, from_browser),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    made = Browser(commands, answers)
    try:
        yield made
    finally:
        with contextlib.suppress(OSError, EOFError, TimeoutError):
            made.call("Browser.close")
        os.close(commands)
        os.close(answers)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Browser:
    """A browser; ``messages`` are all events that it has sent."""

    def __init__(self, commands: int, answers: int) -> None:
        self.commands, self.answers = commands, answers
        self.messages: list[dict[str, Any]] = []
        self.last, self.buffer = 0, b""

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self.last += 1
        message: dict[str, Any] = {"id": self.last, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + LIMIT
        while True:
            answer = self._next(end)
            if answer.get("id") == self.last:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self.messages.append(answer)

    def open(self, page: Path, width: int = 1440, height: int = 900, dark: bool = False) -> "Page":
        """Open a file in a new tab, and wait until it has loaded."""
        return Page(self, page, width, height, dark)

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            if not select.select([self.answers], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError(f"the browser has not answered for {LIMIT:g} s")
            piece = os.read(self.answers, 1 << 20)
            if not piece:
                raise EOFError("the browser has gone")
            self.buffer += piece
        text, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(text)


class Page:
    """A tab with a page in it."""

    def __init__(self, browser: Browser, path: Path, width: int, height: int, dark: bool) -> None:
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(width, height)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=path.resolve().as_uri())
        end = time.monotonic() + LIMIT
        while not self.run("document.readyState === 'complete'"):
            assert time.monotonic() < end, "the page does not load"
            time.sleep(0.02)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def run(self, script: str) -> Any:
        """Evaluate an expression, wait for it if it is a promise, and return its value."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def act(self, script: str) -> None:
        """Do something to the page, and wait until it has been drawn again."""
        self.run(f"{script}; new Promise((ready) => requestAnimationFrame(() => requestAnimationFrame(ready)))")

    def click(self, selector: str) -> None:
        self.act(f"document.querySelector({json.dumps(selector)}).click()")

    def choose(self, identifier: str, value: str) -> None:
        """Choose an option, as a person does."""
        self.act(
            f"(() => {{ const at = document.getElementById({json.dumps(identifier)}); at.value = {json.dumps(value)};"
            " for (const kind of ['input', 'change']) at.dispatchEvent(new Event(kind, {bubbles: true})); })()"
        )

    def text(self, selector: str) -> str:
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def size(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def complaints(self) -> list[str]:
        """What the page has had to complain about: exceptions, and errors and warnings on its console."""
        self.run("0")  # whatever was sent until now has come
        found = []
        for message in self._mine():
            method, about = message["method"], message["params"]
            if method == "Runtime.exceptionThrown":
                found.append(json.dumps(about["exceptionDetails"])[:600])
            elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
                found.append(json.dumps(about["args"])[:600])
            elif method == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
                found.append(about["entry"]["text"])
        return found

    def requests(self) -> list[str]:
        """The addresses that the page has asked for, itself and what lies in it (``data:``, ``blob:``) left out."""
        sent = [m["params"]["request"]["url"] for m in self._mine() if m["method"] == "Network.requestWillBeSent"]
        own = self.run("location.href.split('#')[0]")
        return [url for url in sent if not url.startswith(("data:", "blob:", own))]

    def picture(self, path: Path, whole: bool = True) -> None:
        """Save a PNG of the page."""
        made = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(made["data"]))

    def print(self, path: Path) -> None:
        """Save the page as it is printed, a PDF."""
        made = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(made["data"]))

    def close(self) -> None:
        """Close the tab."""
        self.browser.call("Target.closeTarget", targetId=self.target)

    def _mine(self) -> list[dict[str, Any]]:
        return [message for message in self.browser.messages if message.get("sessionId") == self.session]
