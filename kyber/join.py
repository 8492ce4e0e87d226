"""What needs more than one domain: a workspace in, the whole check of its registers out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kyber import action, incident, introduction, triage, waiver
from kyber.action import Action
from kyber.calendar import task
from kyber.calendar.checks import AHEAD, check_calendar
from kyber.calendar.occurrences import dues as task_dues
from kyber.calendar.register import Calendar, load_tasks, place_of
from kyber.calendar.task import Task
from kyber.clock import Due, in_order
from kyber.continuity import assessment, exercise, plan, service
from kyber.continuity import due as continuity_due
from kyber.continuity.assessment import Assessment, Questionnaire, check_assessments
from kyber.continuity.checks import check_continuity
from kyber.continuity.exercise import Exercise
from kyber.continuity.plan import Plan
from kyber.continuity.register import ContinuityRegister, beside
from kyber.continuity.service import Service
from kyber.digest import Silence
from kyber.duty import silences
from kyber.incident import Incident, check_incidents
from kyber.introduction import Introduction, Proof, check_introduction
from kyber.logs import due as logs_due
from kyber.logs import enrich, lists, source
from kyber.logs.enrich import Tables
from kyber.logs.lists import WatchLists
from kyber.logs.sigma.shipped import shipped_rules
from kyber.logs.source import LogSource
from kyber.people import FILE as PEOPLE_FILE
from kyber.people import People, check_people
from kyber.problem import Place, Problem, Severity
from kyber.progress import proofs
from kyber.register import Record, Register, read_all, references
from kyber.risks import approval, control, risk
from kyber.risks import due as risk_due
from kyber.risks.approval import Approval
from kyber.risks.checks import check_risks
from kyber.risks.control import Control
from kyber.risks.register import RiskRegister, load_register
from kyber.risks.risk import Risk
from kyber.settings import FILE as SETTINGS_FILE
from kyber.settings import Settings
from kyber.text import Key, words_for
from kyber.thread import Web
from kyber.triage import Triage
from kyber.waiver import Sifted, Waivers, sift
from kyber.watched import Watchers, check_critical_services, check_stored, check_top_risks, top_risks
from kyber.workspace import Workspace, examine

if TYPE_CHECKING:
    from kyber.logs.sigma.filters import Filter
    from kyber.logs.sigma.rule import RuleSet

MODELS: Final[Mapping[str, Register]] = {
    "settings": Register(model=Settings, glob=SETTINGS_FILE),
    "people": Register(model=People, glob=PEOPLE_FILE),
    "source": Register(model=LogSource, glob=source.GLOB),
    "list": Register(model=WatchLists, glob=lists.GLOB),
    "enrichment": Register(model=Tables, glob=enrich.GLOB),
    "triage": Register(model=Triage, glob=triage.GLOB),
    "introduction": Register(model=Introduction, glob=introduction.FILE),
    "assessment": Register(model=Assessment, glob=assessment.GLOB),
    "questionnaire": Register(model=Questionnaire, glob=assessment.QUESTIONNAIRES),
    "incident": Register(model=Incident, glob=incident.GLOB),
    "risk": Register(model=Risk, glob=risk.GLOB),
    "control": Register(model=Control, glob=control.GLOB),
    "action": Register(model=Action, glob=action.GLOB),
    "approval": Register(model=Approval, glob=approval.GLOB),
    "service": Register(model=Service, glob=service.GLOB),
    "plan": Register(model=Plan, glob=plan.GLOB),
    "exercise": Register(model=Exercise, glob=exercise.GLOB),
    "task": Register(model=Task, glob=task.GLOB),
    "waivers": Register(model=Waivers, glob=waiver.FILE),
}
"""Every kind of file in a workspace that has a model of its own. A new kind is a new line."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All registers of a workspace at one moment, as far as they could be read."""

    workspace: Workspace
    people: People
    sources: tuple[LogSource, ...]
    lists: tuple[WatchLists, ...]
    enrichment: tuple[Tables, ...]
    triage: tuple[Triage, ...]
    incidents: tuple[Incident, ...]
    assessments: tuple[Assessment, ...]
    questionnaires: tuple[Questionnaire, ...]
    introduction: Introduction | None
    risks: RiskRegister
    continuity: ContinuityRegister
    tasks: tuple[Task, ...]
    waivers: tuple[Waivers, ...]
    retired: frozenset[str]
    """The ids of records that are no longer there, as the version history has them."""
    today: date

    @cached_property
    def rules(self) -> "RuleSet":
        """The rules of the workspace and the shipped ones; reading them takes longer than reading registers."""
        from kyber.logs.sigma.rule import read_rules

        found: dict[str, tuple[str, ...]] = {}
        for one in self.lists:
            for name, values in one.lists.items():
                found[name] = found.get(name, ()) + tuple(values)
        own = [str(self.workspace.rules)] if self.workspace.rules.is_dir() else []
        return read_rules([*own, str(shipped_rules())], found, self.today)

    @cached_property
    def web(self) -> Web:
        """What leads from findings to services and risks."""
        return Web(
            sources=self.sources,
            assets=enrich.hosts(self.enrichment, self.workspace.root),
            continuity=self.continuity,
            risks=self.risks.risks,
        )

    @cached_property
    def stored(self) -> Mapping[str, tuple[datetime | None, datetime | None]] | None:
        """The times (UTC) of the first and the last stored event of each source; None without a store, or with one
        that cannot be read, as commands about logs say."""
        from kyber.logs.store.index import FILE, Index, StoreError

        file = self.workspace.state / FILE
        if not file.is_file():
            return None
        try:
            with closing(Index(file)) as index:
                return index.times()
        except StoreError:
            return None

    @property
    def morning(self) -> datetime:
        """When the day begins: what is judged by it holds all day long."""
        return datetime.combine(self.today, time(), self.workspace.settings.zone)

    def silent(self, now: datetime) -> tuple[Silence, ...]:
        """The log sources that are silent; none without a store, as nothing can be said then."""
        if self.stored is None:
            return ()
        return silences(self.sources, {id_: last for id_, (_, last) in self.stored.items()}, now)

    @property
    def records(self) -> Iterator[Record]:
        yield self.workspace.settings
        yield self.people
        yield from self.sources
        yield from self.lists
        yield from self.enrichment
        yield from self.triage
        yield from self.incidents
        yield from self.assessments
        yield from self.questionnaires
        if self.introduction is not None:
            yield self.introduction
        yield from self.risks.risks
        yield from self.risks.controls
        yield from self.risks.actions
        yield from self.risks.approvals
        yield from self.continuity.services
        yield from self.continuity.plans
        yield from self.continuity.exercises
        yield from self.tasks


RECORDS: Final = frozenset(
    ("source", "incident", "assessment", "risk", "control", "action", "service", "plan", "exercise", "task")
)
"""The kinds of which a file holds one, whose id a waiver can name."""
NUMBERED: Final = (
    "incidents",
    "assessments",
    "risks",
    "controls",
    "actions",
    "continuity/plans",
    "continuity/exercises",
    task.FOLDER,
)
"""The folders whose files begin with the id of what they hold."""

Check = Callable[[Snapshot], Iterator[Problem]]


def read_workspace(
    folder: Path, today: date, retired: frozenset[str] = frozenset()
) -> tuple[Snapshot, tuple[Problem, ...]]:
    """Every register of the workspace at `folder`, and what could not be read of them. Raises WorkspaceError."""
    workspace, problems = examine(folder)
    risks, risk_problems = load_register(folder, workspace.settings, today)
    continuity, continuity_problems = beside(folder, workspace.settings, today, risks.people, risks.actions)
    tasks, task_problems = load_tasks(folder)
    waivers, waiver_problems = read_all(folder, waiver.FILE, Waivers)
    sources, source_problems = read_all(folder, source.GLOB, LogSource)
    watch_lists, list_problems = read_all(folder, lists.GLOB, WatchLists)
    enrichment, enrichment_problems = read_all(folder, enrich.GLOB, Tables)
    incidents, incident_problems = read_all(folder, incident.GLOB, Incident)
    assessments, questionnaires, assessment_problems = assessment.load(folder)
    introductions, introduction_problems = read_all(folder, introduction.FILE, Introduction)
    decided, triage_problems = triage.load_triage(folder)
    snapshot = Snapshot(
        workspace=workspace,
        people=risks.people,
        sources=sources,
        lists=watch_lists,
        enrichment=enrichment,
        triage=decided,
        incidents=incidents,
        assessments=assessments,
        questionnaires=questionnaires,
        introduction=introductions[0] if introductions else None,
        risks=risks,
        continuity=continuity,
        tasks=tasks,
        waivers=waivers,
        retired=retired,
        today=today,
    )
    return snapshot, (
        *problems,
        *risk_problems,
        *continuity_problems,
        *task_problems,
        *waiver_problems,
        *source_problems,
        *list_problems,
        *enrichment_problems,
        *triage_problems,
        *incident_problems,
        *assessment_problems,
        *introduction_problems,
    )


def check_workspace(folder: Path, today: date, retired: frozenset[str] = frozenset()) -> Sifted:
    """All that is to be mended in the workspace at `folder`, by file and line, apart from what is waived.

    `retired` are the ids that the version history has and the workspace no longer. Raises WorkspaceError.
    """
    return check_snapshot(*read_workspace(folder, today, retired))


def check_snapshot(snapshot: Snapshot, unread: Iterable[Problem], checks: "Sequence[Check] | None" = None) -> Sifted:
    """The same of registers that were read; `unread`: what could not be. `checks`: only these.

    Where not every check is asked, nothing is said of waivers that waive nothing.
    """
    found = [*unread, *(problem for check in checks or CHECKS for problem in check(snapshot))]
    ids = {place.file: id_ for kind, id_, place in _ids(snapshot) if kind in RECORDS}
    sifted = sift(found, snapshot.waivers, ids, snapshot.today)
    if checks is not None:
        sifted = Sifted(tuple(one for one in sifted.left if one.code != "K88"), sifted.waived)
    return Sifted(_by_place(sifted.left), _by_place(sifted.waived))


def _by_place(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: (problem.place, problem.code)))


def check_ids(snapshot: Snapshot) -> Iterator[Problem]:
    """K01: an id that stands for two things of one kind, for both a role and a person, or for what is there no more."""
    seen: dict[tuple[str, str], Place] = {}
    for kind, id_, place in _ids(snapshot):
        space = "owner" if kind in ("role", "person") else kind
        if (space, id_) in seen:
            yield Problem(place, "K01", {"id": id_, "first": seen[space, id_]})
        else:
            seen[space, id_] = place
    for kind, id_, place in _ids(snapshot):
        if kind in RECORDS and id_ in snapshot.retired:
            yield Problem(place, "K01", {"id": id_, "first": Key("kind.former-record")})


def check_references(snapshot: Snapshot) -> Iterator[Problem]:
    """K02: a reference to what is not there. K03: an owner who has left.

    Until the first service is described, services are only names.
    """
    known: dict[str, set[str]] = {}
    for kind, id_, _ in _ids(snapshot):
        known.setdefault(kind, set()).add(id_)
    gone = snapshot.people.gone(snapshot.today)
    for record in snapshot.records:
        for reference in references(record):
            if reference.kinds == ("service",) and "service" not in known:
                continue
            if not any(reference.id in known.get(kind, ()) for kind in reference.kinds):
                yield Problem(reference.place, "K02", {"id": reference.id, "field": _dotted(reference.path)})
            elif reference.id in gone and record is not snapshot.people:
                yield Problem(
                    reference.place, "K03", {"id": reference.id, "field": _dotted(reference.path)}, Severity.WARNING
                )


def check_roles(snapshot: Snapshot) -> Iterator[Problem]:
    """K04: a role that nobody holds."""
    return check_people(snapshot.people, snapshot.today)


def check_sources(snapshot: Snapshot) -> Iterator[Problem]:
    """K73, K75: sources without what the logging policy has to say of them. K07: a format that kyber does not read."""
    for found in snapshot.sources:
        yield from source.check_source(found)
        yield from check_format(found)


def check_format(found: LogSource) -> Iterator[Problem]:
    """K07: a source in a format that kyber does not read."""
    from kyber.logs.formats.known import FORMATS  # loads the parsers, which nothing else here needs

    known = ("auto", *FORMATS)
    if found.read is not None and found.read.format not in known:
        facts = {"field": "read.format", "value": found.read.format, "expected": known}
        yield Problem(found.where("read", "format"), "K07", facts)


def check_rules(snapshot: Snapshot) -> Iterator[Problem]:
    """R01 to R37: rules and filters of one's own that cannot be used. R20: a rule that waits for a watch list.

    K02, K03: a filter whose owner is unknown or has left.
    """
    from kyber.logs.sigma.guard import check_must_fire  # reading rules takes more than reading registers

    folder = snapshot.workspace.rules
    if not folder.is_dir():
        return
    rules = snapshot.rules
    for problem in (*rules.problems, *check_must_fire(rules)):
        if Path(problem.place.file).is_relative_to(folder):
            yield problem
    for rule in rules.unable:
        if rule.reason == "placeholder" and Path(rule.ref.path).is_relative_to(folder):
            yield Problem(Place(rule.ref.path), "R20", {"name": rule.facts["name"]}, Severity.WARNING)
    known = {id_ for kind, id_, _ in _ids(snapshot) if kind in ("role", "person")}
    gone = snapshot.people.gone(snapshot.today)
    for hiding in rules.filters:
        if hiding.owner and hiding.owner not in known:
            yield Problem(hiding.place, "K02", {"id": hiding.owner, "field": "kyber.owner"}, Severity.WARNING)
        elif hiding.owner in gone:
            yield Problem(hiding.place, "K03", {"id": hiding.owner, "field": "kyber.owner"}, Severity.WARNING)


def check_enrichment(snapshot: Snapshot) -> Iterator[Problem]:
    """K01 to K93, S18, S19: tables about hosts, accounts, networks and addresses that cannot be used as they are."""
    workspace = snapshot.workspace
    return enrich.check_tables(snapshot.enrichment, workspace.root, workspace.settings.geoip)


def check_decisions(snapshot: Snapshot) -> Iterator[Problem]:
    """K76 to K79, K86: decisions about findings that lack a reason or do not hold together."""
    return triage.check_triage(snapshot.triage, snapshot.today)


def check_incident_register(snapshot: Snapshot) -> Iterator[Problem]:
    """K06: times that cannot be. K64: a notification to an authority that nobody sent in time."""
    return check_incidents(snapshot.incidents, snapshot.today, snapshot.workspace.settings.zone)


def check_current_state(snapshot: Snapshot) -> Iterator[Problem]:
    """K01, K02, K06, K07: assessments and questionnaires that do not hold together."""
    return check_assessments(snapshot.assessments, snapshot.questionnaires, snapshot.today)


def check_phases(snapshot: Snapshot) -> Iterator[Problem]:
    """K02, K06: an introduction that does not hold together."""
    if snapshot.introduction is not None:
        yield from check_introduction(snapshot.introduction, snapshot.today)


def proved(snapshot: Snapshot) -> Mapping[str, Proof]:
    """What the registers show of the introduction, by phase."""
    here = snapshot.workspace
    return proofs(here.root, here.state, snapshot.risks, snapshot.continuity, snapshot.assessments, snapshot.sources)


def check_risk_register(snapshot: Snapshot) -> Iterator[Problem]:
    """K05 to K33: risks, controls, actions and acceptances that do not hold together."""
    return check_risks(snapshot.risks)


def check_continuity_register(snapshot: Snapshot) -> Iterator[Problem]:
    """K05 to K07, K40 to K54: services, plans and exercises that do not hold together."""
    return check_continuity(snapshot.continuity)


def check_clock(snapshot: Snapshot) -> Iterator[Problem]:
    """K06, K07, K60 to K63: tasks of the annual clock that are late, nobody's, missing or too many."""
    return check_calendar(calendar(snapshot, AHEAD.after(snapshot.today)))


def check_watch(snapshot: Snapshot) -> Iterator[Problem]:
    """K70, K71: top risks that nobody watches, or whose sources are silent as the day begins. Rules are read where a
    risk asks for them."""
    from kyber.logs.sigma.rule import RuleSet  # as in check_rules
    from kyber.logs.supply import supplies

    risks, register = top_risks(snapshot.risks), snapshot.risks
    if not risks:
        return
    levels = {one.id: level for one in risks if (level := register.level(one)) is not None}
    asking = any(one.threats or one.detections for one in risks)
    rules = snapshot.rules if asking else RuleSet((), (), ())
    silent = {one.source for one in snapshot.silent(snapshot.morning)}
    watchers = Watchers(rules=rules, supply=supplies(snapshot.sources, {}))
    yield from check_top_risks(risks, levels, watchers, snapshot.web, silent)


def check_unwatched(snapshot: Snapshot) -> Iterator[Problem]:
    """K72: critical services without a log source. K74: logs that are kept for longer than they may be."""
    yield from check_critical_services(snapshot.web)
    first = {id_: at for id_, (at, _) in (snapshot.stored or {}).items()}
    yield from check_stored(snapshot.sources, first, snapshot.today)


def calendar(snapshot: Snapshot, end: date) -> Calendar:
    """The annual clock of a workspace, with all that falls due in any domain until `end`."""
    continuity, root = snapshot.continuity, snapshot.workspace.root
    return Calendar(
        tasks=snapshot.tasks,
        dues=dues(snapshot, end),
        actions=snapshot.risks.actions,
        people=snapshot.people,
        today=snapshot.today,
        folder=place_of(root),
        is_wanted=bool(continuity.services or continuity.plans or snapshot.risks.approvals),
    )


def dues(snapshot: Snapshot, end: date) -> tuple[Due, ...]:
    """All that falls due in any domain until `end`, what was done and what was missed included, by day."""
    found = (
        *task_dues(snapshot.tasks, end),
        *risk_due.dues(snapshot.risks),
        *continuity_due.dues(snapshot.continuity),
        *logs_due.source_dues(snapshot.sources),
        *logs_due.filter_dues(_filters(snapshot)),
        *incident.dues(snapshot.incidents, snapshot.morning, snapshot.workspace.settings.zone),
        *_phases(snapshot),
    )
    return in_order(one for one in found if one.due <= end)


def _phases(snapshot: Snapshot) -> Iterator[Due]:
    if snapshot.introduction is not None:
        words = words_for(snapshot.workspace.settings.language)
        yield from introduction.dues(snapshot.introduction, proved(snapshot), words)


def _filters(snapshot: Snapshot) -> "Sequence[Filter]":
    """The filters of one's own; those that cannot be read are said by `check_rules`."""
    folder = snapshot.workspace.rules
    if not folder.is_dir():
        return ()
    from kyber.logs.sigma.rule import read_rules  # as in check_rules

    return read_rules([str(folder)], {}, snapshot.today).filters


CHECKS: Final[tuple[Check, ...]] = (
    check_ids,
    check_references,
    check_roles,
    check_sources,
    check_rules,
    check_enrichment,
    check_decisions,
    check_incident_register,
    check_current_state,
    check_phases,
    check_risk_register,
    check_continuity_register,
    check_clock,
    check_watch,
    check_unwatched,
)
"""Every check over the whole workspace. A new check is a new line."""
REGISTERS: Final[tuple[Check, ...]] = tuple(one for one in CHECKS if one not in (check_rules, check_watch))
"""The checks that read no rules, which takes longest."""


def _ids(snapshot: Snapshot) -> Iterator[tuple[str, str, Place]]:
    yield from snapshot.people.ids()
    if snapshot.assessments:
        shipped = assessment.shipped()
        yield "questionnaire", shipped.id, shipped.where("id")
    for found in snapshot.sources:
        yield "source", found.id, found.where("id")
    for watch_lists in snapshot.lists:
        yield from (("list", name, place) for name, place in watch_lists.names())
    for kind, records in (
        ("incident", snapshot.incidents),
        ("assessment", snapshot.assessments),
        ("questionnaire", snapshot.questionnaires),
        ("risk", snapshot.risks.risks),
        ("control", snapshot.risks.controls),
        ("action", snapshot.risks.actions),
        ("service", snapshot.continuity.services),
        ("plan", snapshot.continuity.plans),
        ("exercise", snapshot.continuity.exercises),
        ("task", snapshot.tasks),
    ):
        yield from ((kind, one.id, one.where("id")) for one in records)


def _dotted(path: tuple[str | int, ...]) -> str:
    return ".".join(str(step) for step in path)
