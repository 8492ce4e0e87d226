"""Debian's Chromium without a window, driven over its own protocol through two pipes; and axe-core to judge pages by.

One process, a new page per use. Nothing is installed for it: the protocol is JSON between NULs.
"""

import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tests.elastic.server import locked

NEEDED: Final = "KYBER_NEED_BROWSER"
"""Set to 1, tests fail where there is no browser or no axe-core."""
CACHE: Final = "KYBER_BROWSER_CACHE"
"""The folder that axe-core is kept in."""
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
AXE: Final = "4.14.1"
AXE_SHA512: Final = (
    "1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b73"
    "4f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5"
)
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
"""The criteria of WCAG 2.2, levels A and AA, that a program can judge."""
FETCHED: Final = 120.0
ANSWERED: Final = 60.0
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
_PIPES: Final = 'exec 3<&"$0" 4>&"$1"; shift; exec "$@"'


class Missing(Exception):  # noqa: N818 - a state of the machine, not of the code
    """What is needed and not there."""


@dataclass(frozen=True, slots=True)
class Found:
    """What axe-core says of a page, each as: rule, and the places that it is about."""

    violations: tuple[str, ...]
    incomplete: tuple[str, ...]
    passed: frozenset[str]


class Browser:
    """A running browser."""

    def __init__(self, folder: Path) -> None:
        """`folder`: new, for the profile."""
        program = next(filter(None, map(shutil.which, NAMES)), None)
        bash = shutil.which("bash")
        if program is None or bash is None:
            raise Missing("no Chromium in PATH (Debian's package chromium)")
        to_it, ours = _pipe()
        mine, from_it = _pipe()
        self._to, self._from = ours, mine
        self._read, self._count = b"", 0
        self._events: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [bash, "-c", _PIPES, str(to_it), str(from_it), program, *_FLAGS, f"--user-data-dir={folder}"],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "TZ": "UTC"},
            pass_fds=(to_it, from_it),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_it)
        os.close(from_it)
        self.version: str = self.call("Browser.getVersion")["product"]

    def call(self, method: str, parameters: Mapping[str, Any] | None = None, session: str = "") -> dict[str, Any]:
        """What the browser answers. Raises RuntimeError where it refuses, TimeoutError where it says nothing."""
        self._count += 1
        asked = {"id": self._count, "method": method, "params": parameters or {}}
        message = json.dumps(asked | ({"sessionId": session} if session else {})).encode() + b"\0"
        while message:
            message = message[os.write(self._to, message) :]
        while True:
            said = self._next(method)
            if said.get("id") == self._count:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']}")
                answer: dict[str, Any] = said["result"]
                return answer
            self._events.append(said)

    def wait(self, method: str, session: str) -> dict[str, Any]:
        """The next event of this name in a page, also one that came already."""
        while True:
            for at, event in enumerate(self._events):
                if event.get("method") == method and event.get("sessionId") == session:
                    return self._events.pop(at)
            self._events.append(self._next(method))

    def events(self, method: str, session: str) -> list[dict[str, Any]]:
        """What came so far under this name in a page."""
        return [
            one["params"] for one in self._events if one.get("method") == method and one.get("sessionId") == session
        ]

    def _next(self, method: str) -> dict[str, Any]:
        deadline = time.monotonic() + ANSWERED
        while b"\0" not in self._read:
            if not select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"{method}: no answer within {ANSWERED:.0f} s")
            came = os.read(self._from, 1 << 20)
            if not came:
                raise RuntimeError(f"{method}: the browser has ended")
            self._read += came
        message, _, self._read = self._read.partition(b"\0")
        said: dict[str, Any] = json.loads(message)
        return said

    @contextmanager
    def page(self, file: Path, *, width: int = 1280, dark: bool = False, bypass: bool = True) -> Iterator["Page"]:
        """A file opened in a new page, in a window of this width. `bypass`: its own policy (CSP) does not hold."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Network", "Log", "Runtime"):
            page.call(f"{domain}.enable")
        page.call("Page.setBypassCSP", {"enabled": bypass})
        page.resize(width)
        page.look("dark" if dark else "light")
        page.call("Page.navigate", {"url": file.as_uri()})
        self.wait("Page.loadEventFired", session)
        try:
            yield page
        finally:
            self.call("Target.closeTarget", {"targetId": target})
            self._events = [one for one in self._events if one.get("sessionId") not in (None, session)]

    def close(self) -> None:
        """End it, and wait until it is gone."""
        with suppress(OSError, RuntimeError, TimeoutError):
            self.call("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._to)
        os.close(self._from)


@dataclass(frozen=True, slots=True)
class Page:
    """An open page."""

    browser: Browser
    session: str

    def call(self, method: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self.browser.call(method, parameters, self.session)

    def resize(self, width: int) -> None:
        """The window's width, in pixels."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", size)

    def look(self, scheme: Literal["light", "dark"], medium: Literal["", "print"] = "") -> None:
        """How the page is shown; `medium`: also on a screen as on paper."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", {"media": medium, "features": features})

    def evaluate(self, script: str) -> Any:
        """What a script gives; a promise is awaited."""
        said = self.call(
            "Runtime.evaluate", {"expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        )
        if "exceptionDetails" in said:
            raise RuntimeError(str(said["exceptionDetails"])[:2_000])
        return said["result"].get("value")

    def press(self, key: Literal["Tab", "Enter"]) -> None:
        """Press and let go of a key."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", {"type": "keyDown" if text else "rawKeyDown", **named, **text})
        self.call("Input.dispatchKeyEvent", {"type": "keyUp", **named})

    def requests(self) -> list[str]:
        """The addresses that the page has asked for."""
        return [one["request"]["url"] for one in self.browser.events("Network.requestWillBeSent", self.session)]

    def complaints(self) -> list[str]:
        """What the browser wrote into its console."""
        return [one["entry"]["text"] for one in self.browser.events("Log.entryAdded", self.session)]

    def pdf(self) -> bytes:
        """The page as it is printed."""
        said = self.call("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": False})
        return b64decode(said["data"])

    def picture(self, *, whole: bool = True) -> bytes:
        """The page as PNG, as high as it is."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        more = {"captureBeyondViewport": True, "clip": clip} if whole else {}
        return b64decode(self.call("Page.captureScreenshot", {"format": "png", **more})["data"])

    def judged(self, axe: str, rules: tuple[str, ...] = RULES) -> Found:
        """What axe-core says of it: every rule of these tags."""
        asked = {
            "runOnly": {"type": "tag", "values": rules},
            "rules": {"target-size": {"enabled": True}} if "wcag22aa" in rules else {},
            "resultTypes": ["violations", "incomplete"],
        }
        self.evaluate(axe + "\n;0")
        said = self.evaluate(f"axe.run(document, {json.dumps(asked)})")
        return Found(
            tuple(map(_told, said["violations"])),
            tuple(map(_told, said["incomplete"])),
            frozenset(one["id"] for one in said["passes"]),
        )


def _told(one: Mapping[str, Any]) -> str:
    places = [f"{node['target']} {node['html'][:160]}: {node['failureSummary']}" for node in one["nodes"][:4]]
    return f"{one['id']} ({len(one['nodes'])}): {one['help']}\n  " + "\n  ".join(places)


def _pipe() -> tuple[int, int]:
    """Both ends of a pipe, none of them where the browser wants its own."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]


def axe() -> str:
    """axe-core's script: from the cache, or fetched into it by npm; checked. Raises Missing."""
    folder = Path(os.environ.get(CACHE) or "~/.cache/kyber-browser").expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        file = folder / f"axe-core-{AXE}.tgz"
        if not file.exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as beside:
                _fetch(Path(beside)).replace(file)
    if hashlib.sha512(file.read_bytes()).hexdigest() != AXE_SHA512:
        raise Missing(f"{file} is not axe-core {AXE}, its SHA-512 differs: remove it")
    with tarfile.open(file) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


def _fetch(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise Missing(f"no npm in PATH to fetch axe-core {AXE}")
    try:
        said = subprocess.run(
            [npm, "pack", "--ignore-scripts", f"axe-core@{AXE}"],
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=FETCHED,
            check=False,
        ).stderr
    except subprocess.TimeoutExpired:
        said = f"nothing came within {FETCHED:.0f} s"
    file = folder / f"axe-core-{AXE}.tgz"
    if not file.exists():
        raise Missing(f"npm could not fetch axe-core {AXE} ({said.strip()[-300:]})")
    return file
