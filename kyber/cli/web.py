"""What findings are held against around a workspace: its services, sources, hosts and risks."""

from datetime import date
from typing import TYPE_CHECKING

from kyber.cli.reading import no_collector

if TYPE_CHECKING:
    from kyber.thread import Web
    from kyber.workspace import Workspace


def web_of(here: "Workspace", today: date, *, risks: bool = True) -> "Web":
    """What leads from findings to services and, where asked for, to risks. What cannot be read of it is left out:
    `kyber check` says so."""
    from kyber.continuity.register import beside
    from kyber.logs import enrich
    from kyber.logs.source import load_sources
    from kyber.people import People
    from kyber.register import read_all
    from kyber.risks.risk import GLOB, Risk
    from kyber.thread import Web

    root = here.root
    with no_collector():
        sources, _ = load_sources(root)
        continuity, _ = beside(root, here.settings, today, People(), ())
        found, _ = read_all(root, GLOB, Risk) if risks else ((), ())
        known, _ = enrich.load(root)
    return Web(sources=sources, assets=known.assets, continuity=continuity, risks=found)
