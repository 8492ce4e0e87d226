"""What became of risks: the versions of their files in, who changed what and how the level went, out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from kyber.register import read
from kyber.risks.matrix import Scale
from kyber.risks.risk import Risk
from kyber.settings import RiskLevel


@dataclass(frozen=True, slots=True)
class Version:
    """A risk's file at one commit; no text where the file was taken out."""

    commit: str
    time: datetime
    author: str
    subject: str
    file: str
    text: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one commit did to one risk."""

    risk: str
    commit: str
    time: datetime
    author: str
    subject: str
    fields: Mapping[str, tuple[object, object]]
    """Field -> its value before and after; None where it was not there."""
    level: RiskLevel | None
    likelihood: int | None
    impact: int | None
    removed: bool = False
    """Whether the file was taken out at this commit."""
    unread: bool = False
    """Whether the file could not be read as a risk at this commit."""


def changes(versions: Iterable[Version], scale: Scale) -> Iterator[Change]:
    """What each version changed, in the order given, the first one first. Levels are those of today's matrix."""
    before: dict[str, Mapping[str, object]] = {}
    ids: dict[str, str] = {}
    for one in versions:
        risk = read(one.text, one.file, Risk)[0] if one.text is not None else None
        id_ = risk.id if risk is not None else ids.get(one.file, one.file)
        ids[one.file] = id_
        fields = flat(risk) if risk is not None else {}
        old = before.get(id_, {})
        unread = risk is None and one.text is not None
        if not unread:
            before[id_] = fields
        left = risk.left if risk is not None else None
        yield Change(
            risk=id_,
            commit=one.commit,
            time=one.time,
            author=one.author,
            subject=one.subject,
            fields={} if unread else differences(old, fields),
            level=scale.level(left),
            likelihood=left.likelihood if left else None,
            impact=left.whole if left else None,
            removed=one.text is None,
            unread=unread,
        )


def differences(old: Mapping[str, object], new: Mapping[str, object]) -> Mapping[str, tuple[object, object]]:
    """The fields in which two risks differ, with both values, in the order of the fields."""
    names = [*new, *(name for name in old if name not in new)]
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def flat(risk: Risk) -> Mapping[str, object]:
    """A risk as field -> value, parts joined by dots; what is absent is left out. Lists count as one value."""
    return dict(_flat(risk, ""))


def _flat(value: object, name: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, BaseModel):
        for field, info in type(value).model_fields.items():
            key = info.alias or field
            yield from _flat(getattr(value, field), f"{name}.{key}" if name else key)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}")
    elif isinstance(value, tuple):
        if value:
            yield name, tuple(_plain(item) for item in value)
    elif value is not None:
        yield name, str(value)


def _plain(value: object) -> object:
    return value.model_dump(mode="json", exclude_none=True) if isinstance(value, BaseModel) else str(value)
