"""What one reader is to be told: their findings and what they were told before in, a Digest out.

A digest says what is new since the last one, what is still open and serious, which log sources are silent, and what
could not be read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from kyber.finding import Finding, Judgement, Status
from kyber.kept import KeptFinding
from kyber.level import Level
from kyber.problem import Problem
from kyber.told import Told

REMINDED_FROM: Final = Level.HIGH
"""Open findings at this level or above are told of in every digest until they are closed."""

_DONE: Final = frozenset((Status.CLOSED, Status.FALSE_POSITIVE))


@dataclass(frozen=True, slots=True)
class Silence:
    """A log source that is silent for longer than is normal for it: `last` is its last event (UTC), None if never."""

    source: str
    name: str
    last: datetime | None
    expected: str

    @property
    def key(self) -> str:
        """What makes this silence another one than the source's next."""
        return f"{self.source}@{self.last.isoformat() if self.last else ''}"


@dataclass(frozen=True, slots=True)
class Unread:
    """Something of a log source that could not be read; the source is empty where none is to blame."""

    source: str
    problem: Problem

    @property
    def key(self) -> str:
        """What could not be read, and why."""
        file = self.problem.place.file.encode("utf-8", "backslashreplace").decode()  # any name that a file can have
        return f"{self.problem.code} {file}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What one reader is told. `owners`: the roles and people whose findings these are, as shown; `time` is UTC.

    `new` and `open` go by level, then by when they began; they share no finding. `keys` are what is remembered of the
    new ones once they are told. `news`: whether anything in it was not told before.
    """

    id: str
    organisation: str
    owners: tuple[str, ...]
    time: datetime
    since: datetime | None
    new: tuple[Finding, ...]
    open: tuple[Finding, ...]
    silent: tuple[Silence, ...]
    unread: tuple[Unread, ...]
    keys: tuple[str, ...]
    news: bool


def compose(
    findings: Iterable[KeptFinding],
    judged: Mapping[str, Judgement],
    silent: Sequence[Silence],
    unread: Sequence[Unread],
    told: Told,
    *,
    reader: str,
    organisation: str,
    owners: tuple[str, ...],
    now: datetime,
    since: datetime | None = None,
) -> Digest:
    """The digest of one reader, whose findings, silent sources and unread files these are.

    New is what was not told; with `since` (aware), what a scan first found then or later, told or not. A finding that
    was closed before anybody was told of it is left out, and one that was reopened is told again.
    """
    new: list[tuple[str, Finding]] = []
    still: list[Finding] = []
    for one in findings:
        judgement = judged.get(one.finding.id, Judgement())
        if judgement.status in _DONE:
            continue
        key = _key(one, judgement)
        if key not in told.findings if since is None else one.first_seen >= since:
            new.append((key, one.finding))
        elif one.finding.level >= REMINDED_FROM:
            still.append(one.finding)
    new.sort(key=lambda pair: _order(pair[1]))
    keys = tuple(key for key, _ in new)
    besides = ({one.key for one in silent} - told.silent, {one.key for one in unread} - told.unread)
    parts = (reader, told.last, *keys, "", *(one.key for one in silent), "", *(one.key for one in unread))
    return Digest(
        id=sha256("\0".join(parts).encode()).hexdigest()[:32],
        organisation=organisation,
        owners=owners,
        time=now,
        since=told.at if since is None else since,
        new=tuple(finding for _, finding in new),
        open=tuple(sorted(still, key=_order)),
        silent=tuple(sorted(silent, key=lambda one: one.source)),
        unread=tuple(unread),
        keys=keys,
        news=bool(new or any(besides)),
    )


def _key(one: KeptFinding, judgement: Judgement) -> str:
    """A finding's id; when it was closed is part of the key of one that was reopened, for that is news."""
    if judgement.status is Status.REOPENED and judgement.on is not None:
        return f"{one.finding.id}/{judgement.on.isoformat()}"
    return one.finding.id


def _order(finding: Finding) -> tuple[int, bool, float, str]:
    return -finding.level, finding.first is None, finding.first.timestamp() if finding.first else 0.0, finding.id
