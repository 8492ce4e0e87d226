"""How shipping goes, for who looks on: what it says of itself in, a line that changes and reasons to wait out."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from kyber.cli.console import plain, say

if TYPE_CHECKING:
    from kyber.logs.ship import Shipped
    from kyber.text import Words

_REASONS: Final = {
    "nobody": r"nobody listens at (?P<at>.+)",
    "silent": r"(?P<at>.+) does not answer within (?P<seconds>[\d.e+]+) s",
    "busy": r"(?P<at>.+) has too much to do \((?P<said>\d+)\)",
    "full": r"(?P<at>.+?) takes no more for now: (?P<said>.*)",
    "unable": r"(?P<at>.+?) cannot answer now \((?P<status>\d+)\)(?P<said>.*)",
    "refresh": r"(?P<at>.+) cannot let all that was written to (?P<index>.+) be found now",
    "forming": r"(?P<at>.+) has not formed a cluster yet",
    "name": r"the name of (?P<at>.+) cannot be looked up now",
    "broken": r"(?P<at>.+) closed the connection|the connection to (?P<to>.+?) (?:broke off|failed: .*)",
    "answer": r"(?P<at>.+?) (?:gave an answer that is cut off or no JSON|answered (?:for|a) .*|counted in part only)",
}
"""What `Cluster` and `Shipper` say of a cluster that waiting may mend, by the key of its text."""
_KNOWN: Final = {key: re.compile(pattern, re.DOTALL) for key, pattern in _REASONS.items()}


def why(reason: str, words: "Words") -> str:
    """Why a cluster is waited for, in the language of the workspace; as it was said, where nobody knows it."""
    for key, pattern in _KNOWN.items():
        if found := pattern.fullmatch(reason):
            facts = {name: plain(value) for name, value in found.groupdict().items() if value is not None}
            return words(f"ship.why.{key}", **{"at": facts.get("to", ""), **facts})
    return plain(reason)


@dataclass(frozen=True, slots=True)
class Delivering:
    """How shipping goes: events that it delivered and that are pending, and when it delivered the last of them."""

    delivered: int = 0
    pending: int = 0
    last: datetime | None = None

    def line(self, words: "Words", zone: tzinfo) -> str:
        """The same for people."""
        last = "–" if self.last is None else self.last.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
        counts = {name: words.number(getattr(self, name)) for name in ("delivered", "pending")}
        return words("ship.going", **counts, last=last)


class Onlooker:
    """Hears of shipping, from any thread, and shows it: a line that changes, and lines that say why nothing goes on."""

    def __init__(self, words: "Words", now: Callable[[], datetime], show: Callable[[Delivering], None]) -> None:
        self._words, self._now, self._show = words, now, show
        self._lock, self._waiting = Lock(), ""
        self.seen = Delivering()

    def told(self, shipped: "Shipped") -> None:
        """Something was delivered, or is waited for: each reason is told once."""
        delivered = shipped.created + shipped.known
        if delivered > self.seen.delivered:
            self._change(delivered=delivered, last=self._now())
        if shipped.waiting == self._waiting:
            return
        self._waiting = shipped.waiting
        waits = self._words("ship.waiting", why=why(self._waiting, self._words))
        say(waits if self._waiting else self._words("ship.goes-on"), error=True)

    def pending(self, number: int) -> None:
        """So many events are pending."""
        self._change(pending=number)

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self.seen = replace(self.seen, **changes)
            self._show(self.seen)


@contextmanager
def shown_delivery(words: "Words", zone: tzinfo) -> Iterator[Callable[[Delivering], None]]:
    """One line on standard error that changes; only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(Text(Delivering().line(words, zone)), console=Console(stderr=True), transient=True) as live:
        yield lambda one: live.update(Text(one.line(words, zone)))
