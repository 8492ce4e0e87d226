"""`kyber logs setup`: a workspace in, what its cluster lacks or has otherwise out, laid down or only shown."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli.cluster import AllowPlaintext, Insecure, Namespace, Url, cluster_of, namespace_of
from kyber.cli.console import Colour, ExitCode, Where, paint, plain, root_of, say, tell_problems

if TYPE_CHECKING:
    from kyber.duration import Duration
    from kyber.logs.store.cluster import Cluster
    from kyber.logs.store.setup import Plan, Step
    from kyber.problem import Place
    from kyber.text import Words

_SIGNS = {
    "make": ("+", Colour.GOOD),
    "change": ("~", Colour.DOUBT),
    "keep": ("~", Colour.DOUBT),
    "rollover": ("~", Colour.DOUBT),
    "remove": ("-", Colour.BAD),
}


def setup(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made or changed, and change nothing.")
    ] = False,
    url: Url = None,
    namespace: Namespace = None,
    allow_plaintext: AllowPlaintext = False,
    insecure: Insecure = False,
    json: Annotated[bool, typer.Option("--json", help="JSON lines: the cluster, then each step.")] = False,
    workspace: Where = None,
) -> None:
    """Make Elasticsearch ready: templates for the data streams, and how long each source is kept there.

    Run again, it changes nothing, unless the register or kyber has changed. Ends with 1 where a log source cannot be
    read, and with 4 where the cluster is away or refuses something.
    """
    from kyber.logs.source import load_sources
    from kyber.logs.store.setup import carry_out, plan
    from kyber.problem import Place, Severity
    from kyber.text import words_for
    from kyber.workspace import at

    here = at(root_of(workspace or Path()))
    words, called = words_for(here.settings.language), namespace_of(here, namespace)
    registered, problems = load_sources(here.root)
    tell_problems(problems, words)
    if any(one.severity is Severity.ERROR for one in problems):
        say(words("setup.unread"), error=True)
        raise typer.Exit(ExitCode.FOUND)
    kept = {one.id: one.retention for one in registered}
    place = here.settings.where("elasticsearch") if here.settings.elasticsearch else Place(str(here.settings_file))
    with cluster_of(here, url, allow_plaintext=allow_plaintext, insecure=insecure) as cluster:
        found = plan(cluster, kept, called, place)
        if json:
            _tell_as_json(cluster, found, called, dry_run=dry_run)
        else:
            _tell(cluster, found, kept, called, words)
        if not dry_run:
            for step in found.steps:
                carry_out(cluster, step)
            found = _checked(cluster, found, kept, called, place)
    tell_problems(found.problems, words)
    if not dry_run and found.steps:
        say(words.many("setup.left", len(found.steps)), error=True)
        raise typer.Exit(ExitCode.UNDELIVERED)
    if not json:
        say(words("setup.dry-run" if dry_run else "setup.done"))


def _checked(
    cluster: "Cluster", done: "Plan", kept: "Mapping[str, Duration | None]", namespace: str, at: "Place"
) -> "Plan":
    """What still differs after all was done: nothing, unless somebody else changes it too."""
    from kyber.logs.store.setup import plan

    return plan(cluster, kept, namespace, at) if done.steps else done


def _tell(
    cluster: "Cluster", found: "Plan", kept: "Mapping[str, Duration | None]", namespace: str, words: "Words"
) -> None:
    from kyber.logs.store.templates import days, streams

    version = found.features.version or "?"
    say(words("setup.cluster", cluster=plain(cluster.name), version=plain(version), namespace=namespace))
    say(words(f"setup.keeping.{found.keeping.value}"))
    named = streams(kept, namespace)
    for source, duration in kept.items():
        length = words("setup.for-ever") if duration is None else words.many("setup.days", days(duration))
        said = "" if duration is None else f" ({plain(duration)})"
        say(f"  {plain(source)}: {plain(named[source])}, {length}{said}")
    if any(one is not None and one.months for one in kept.values()):
        say(f"  {words('setup.months')}")
    for step in found.steps:
        _show(step, words)
    if not found.steps:
        say(words("setup.nothing"))


def _show(step: "Step", words: "Words") -> None:
    sign, colour = _SIGNS[step.action]
    say(f"{paint(sign, colour, bold=True)} {words(f'setup.{step.action}.{step.kind}', name=plain(step.name))}")
    for one in step.differences:
        say(f"    {plain(one.path)}: {plain(one.there or '–')} → {plain(one.wanted or '–')}")


def _tell_as_json(cluster: "Cluster", found: "Plan", namespace: str, *, dry_run: bool) -> None:
    from kyber.render.safe import json_line

    head = {
        "cluster": cluster.name,
        "namespace": namespace,
        "keeping": found.keeping.value,
        "dry_run": dry_run,
        **asdict(found.features),
    }
    say(json_line(head))
    for step in found.steps:
        say(
            json_line(
                {
                    "action": step.action,
                    "kind": step.kind,
                    "name": step.name,
                    "body": None if step.body is None else dict(step.body),
                    "differences": [asdict(one) for one in step.differences],
                }
            )
        )
