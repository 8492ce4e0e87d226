"""`kyber risks history`: who changed what in the risks, and how their levels went, by the commits of the workspace."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyber.cli.console import Where, plain, say
from kyber.cli.desk import json_record
from kyber.cli.risks_files import RiskDesk, desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kyber.risks.history import Change, Version

SHOWN: Final = 60
"""Letters of a value that are shown."""


def history(
    risk: Annotated[
        str | None, typer.Argument(metavar="[RISK]", help="The risk's id; else all of them.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, for another program.")] = False,
    workspace: Where = None,
) -> None:
    """Show who changed what in the risks, and how their levels went, from the commits of the workspace."""
    from kyber.git import commits
    from kyber.risks.history import changes

    at = desk(workspace)
    wanted = at.risk(risk).id if risk is not None else None
    found = [
        one
        for one in changes(_versions(at, commits(at.here.root, "risks")), at.register.scale)
        if wanted in (None, one.risk)
    ]
    if json:
        for one in found:
            say(json_record(_change(one)))
        return
    if not found:
        say(at.words("risks.history.none"))
    for one in found:
        _show_change(at, one)


def _versions(at: RiskDesk, found: Any) -> "Iterator[Version]":
    from kyber.git import texts
    from kyber.risks.history import Version

    wanted = [(commit, name) for commit in found for name in commit.files if name.endswith(".yaml")]
    asked = [(commit.id, name) for commit, name in wanted]
    for (commit, name), text in zip(wanted, texts(at.here.root, asked), strict=True):
        yield Version(commit.id, commit.time, commit.author, commit.subject, name, text)


def _change(one: "Change") -> dict[str, Any]:
    return {
        "risk": one.risk,
        "commit": one.commit,
        "time": one.time.isoformat(),
        "author": one.author,
        "subject": one.subject,
        "level": str(one.level) if one.level else None,
        "likelihood": one.likelihood,
        "impact": one.impact,
        "unread": one.unread,
        "fields": {name: {"before": before, "after": after} for name, (before, after) in one.fields.items()},
    }


def _show_change(at: RiskDesk, one: "Change") -> None:
    from kyber.privacy import mask
    from kyber.risks.listing import level_word

    time = one.time.astimezone(at.here.settings.zone)
    head = f"{time:%Y-%m-%d}  {one.risk}  {level_word(one.level, at.words)}  {one.author}: {mask(one.subject)}"
    say(plain(head))
    if one.removed:
        say(f"    {at.words('risks.history.removed')}")
        return
    if one.unread:
        say(f"    {at.words('risks.history.unread')}")
    new = all(before is None for before, _ in one.fields.values())
    for name, (before, after) in () if new else one.fields.items():
        values = (_short(before), _short(after))
        say(plain(f"    {name}: {mask(' → '.join(values))}"))


def _short(value: object) -> str:
    if isinstance(value, tuple) and not all(isinstance(one, str) for one in value):
        return f"[{len(value)}]"
    text = "–" if value is None else ", ".join(value) if isinstance(value, tuple) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
