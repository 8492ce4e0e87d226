"""What an import would do in; text for a person, or one JSON object for a program, out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from kyber.cli.listed import sums
from kyber.logs.sigma.importing import RECORD, Fate
from kyber.logs.standing import Standing, State
from kyber.privacy import mask
from kyber.render.safe import json_line, plain
from kyber.text import Words

if TYPE_CHECKING:
    from kyber.cli.rules_import import Offer

SHOWN: Final = 5
"""How many of each a reader sees; --json has them all."""


def show(offer: "Offer", words: Words, console: Console) -> None:
    """Print what would be copied, what would not and why, and how the rules would stand here."""
    chosen, changes = offer.chosen, offer.changes

    def tell(text: str) -> None:
        console.print(plain(mask(text)), highlight=False, markup=False, soft_wrap=True)

    def tell_some(key: str, found: Sequence[str], **facts: object) -> None:
        if found:
            tell(words.many(key, len(found), **facts))
            for one in found[:SHOWN]:
                tell(f"  {one}")
            if len(found) > SHOWN:
                tell(f"  … {words.number(len(found) - SHOWN)}")

    rules = sum(len(one.headings) for one in chosen.files)
    tell(words.many("imported.read", offer.read, source=offer.source, fit=words.number(rules)))
    each = Counter(fate for path, fate in changes.fates.items() if path not in offer.licences)
    counts = ", ".join(f"{words.number(each[fate])} {words(f'imported.fate.{fate}')}" for fate in Fate)
    tell(words("imported.files", folder=offer.folder, counts=counts))
    tell_some("imported.altered", changes.of(Fate.ALTERED))
    tell_some("imported.removed", changes.of(Fate.REMOVED), record=RECORD)
    tell_some("imported.others", changes.others)
    tell_some("imported.present", [f"{one.id}  {one.title} ({where})" for _, one, where in chosen.present])
    tell_some("imported.filters", [one.path for one in chosen.filters])
    tell_some("imported.lacking", [one.path for one in chosen.lacking])
    tell_some("imported.unread", [f"{name}: {why}" for name, why in offer.unread.items()])
    if not rules:
        return
    tell(words("imported.standings", counts=sums(offer.standings.values(), words)))
    for (reason, lacks), count in _reasons(offer.standings.values(), words.language).most_common(SHOWN):
        tell(f"  {words.number(count)}: {words(f'imported.why.{reason}', lacks=lacks)}")
    tell_some("imported.fields", [f"{one.place}: {one.facts['field']}" for one in offer.fields])
    if offer.licences:
        tell(words("imported.licences", files=", ".join(offer.licences)))
    elif offer.unlicensed:
        tell(words("imported.no-licence", source=offer.source))
    if offer.unlicensed:
        tell(words.many("imported.unlicensed", offer.unlicensed))


REASONS: Final = frozenset(("no-source", "no-events", "no-field", "placeholder", "feature", "rule-blind", "other"))


def _reasons(standings: Iterable[Standing], language: str) -> Counter[tuple[str, str]]:
    """The reasons for which rules cannot look, with what they lack, counted."""
    return Counter(
        (
            one.reason if one.reason in REASONS else "other",
            ", ".join(str(fact) for fact in one.facts_in(language).values()) or one.reason,
        )
        for one in standings
        if one.reason
    )


def as_json(offer: "Offer") -> str:
    """One JSON object on one line, with everything."""
    chosen, changes = offer.chosen, offer.changes
    found: dict[str, Any] = {
        "source": offer.source,
        "commit": offer.commit,
        "folder": offer.folder,
        "read": offer.read,
        "rules": [
            {
                "id": one.id,
                "title": one.title,
                "level": str(one.level),
                "maturity": one.status,
                "author": one.author,
                "license": one.license,
                "file": file.path,
                "fate": str(changes.fates[file.path]) if file.path in changes.fates else "unread",
                **_standing(offer.standings.get(one.id)),
            }
            for file in chosen.files
            for one in file.headings
        ],
        "altered": list(changes.of(Fate.ALTERED)),
        "removed": list(changes.of(Fate.REMOVED)),
        "others": list(changes.others),
        "present": [{"id": one.id, "file": file.path, "there": where} for file, one, where in chosen.present],
        "filters": [one.path for one in chosen.filters],
        "lacking": [one.path for one in chosen.lacking],
        "unread": dict(offer.unread),
        "fields": [
            {"file": one.place.file, "line": one.place.line, "code": one.code, "field": one.facts["field"]}
            for one in offer.fields
        ],
        "licences": list(offer.licences),
        "unlicensed": offer.unlicensed,
    }
    return json_line(found)


def _standing(one: Standing | None) -> dict[str, object]:
    if one is None:
        return {"status": str(State.UNABLE), "reason": "unreadable", "lacks": {}}
    return {"status": str(one.state), "reason": one.reason, "lacks": dict(one.facts)}
