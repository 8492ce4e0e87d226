"""A facilitator's script in, the same in the words of one language out, ready to be laid out on paper."""

from collections.abc import Iterator, Mapping
from typing import Final

from kyber.continuity.card_words import NONE, below, day, foot, grid, length, people_table, shown, stamp_facts
from kyber.continuity.plan import Plan
from kyber.continuity.script import Script
from kyber.duration import Duration
from kyber.render.printout import Block, Facts, Grid, Items, Part, Printout, Section, Text, Use
from kyber.text import Words

AGENDA: Final[Mapping[str, int | None]] = {"opening": 10, "scenario": 5, "play": None, "debrief": 30, "records": 10}
"""The parts of an exercise, and how many minutes each takes as a rule."""
PLAY: Final = 60
"""Minutes that the play itself takes where people only talk it through."""
REAL: Final = ("restore", "technical", "fallback")
"""The kinds of exercise in which something is really done, so that they take the time that it takes."""
RULES: Final = ("real", "words", "data", "plan", "ask")
DEBRIEF: Final = ("well", "slow", "times", "plan", "contacts", "fallback", "next")
ROWS: Final = 6
"""Empty rows for what the facilitator sees."""
RULED: Final = 2
"""Empty lines below a question."""

PLAN: Final = "kyber continuity exercise plan"
HOLD: Final = "kyber continuity exercise hold {id} --result …"
"""What the facilitator types in the end."""


def printed_script(script: Script, words: Words) -> Printout:
    """The script on paper: what is told and asked, what is expected, and room for what was seen."""
    kind = words(f"continuity.exercise-type.{script.kind}")
    sections = (
        Section(heading=words("card.objectives"), blocks=(Items(_objectives(script, words)),)),
        Section(heading=words("card.participants"), blocks=(people_table(script.participants, words),)),
        Section(heading=words("card.rules"), blocks=(Items(_rules(script, words)),)),
        Section(heading=words("card.agenda"), blocks=(_agenda(script, words),)),
        Section(heading=words("card.scenario"), blocks=tuple(_scenario(script, words))),
        Section(heading=words("card.injects"), blocks=_injects(script, words)),
        *(
            Section(
                heading=words("card.cues", id=plan.id, title=plan.title),
                blocks=(Text((words("card.cues.how"),)), _cues(plan, script, words)),
            )
            for plan in script.plans
        ),
        Section(heading=words("card.observations"), blocks=tuple(_observations(script, words))),
        Section(
            heading=words("card.debrief"),
            blocks=tuple(Part(heading=words(f"card.debrief.{one}"), ruled=RULED) for one in DEBRIEF),
        ),
        Section(heading=words("card.afterwards"), blocks=(Items(_afterwards(script, words)),)),
    )
    return Printout(
        language=words.language,
        over=words("card.script.over", kind=kind, id=script.id),
        title=script.title,
        facts=Facts(
            (
                (words("card.organisation"), script.organisation),
                (words("card.day"), day(script.day)),
                (words("card.lead"), shown(script.lead) if script.lead else NONE),
                (words("card.plans"), "\n".join(f"{one.id} {one.title}" for one in script.plans) or NONE),
                (words("card.script.services"), ", ".join(one.name for one in script.services) or NONE),
                *stamp_facts(script.stamp, words),
            )
        ),
        sections=tuple(one for one in sections if one.blocks),
        foot=foot(words("card.script.foot", id=script.id), script.stamp, words),
    )


def _objectives(script: Script, words: Words) -> tuple[str, ...]:
    if script.exercise and script.exercise.objectives:
        return script.exercise.objectives
    steps = [words("card.objective.steps", id=one.id) for one in script.plans]
    times = [
        words("card.objective.times", service=one.name, rto=length(one.rto, words), rpo=length(one.rpo, words))
        for one in script.services
        if one.rto
    ]
    return (*steps, *times, words("card.objective.copy"))


def _rules(script: Script, words: Words) -> tuple[str, ...]:
    first = words("card.rule.done" if script.kind in REAL else "card.rule.talk")
    return (first, *(words(f"card.rule.{one}") for one in RULES))


def _agenda(script: Script, words: Words) -> Grid:
    heads = (
        ("card.agenda.part", 4, Use.LEAD),
        ("card.agenda.content", 8, Use.TEXT),
        ("card.agenda.length", 3, Use.TEXT),
        ("card.agenda.clock", 3, Use.ROOM),
    )
    rows = (
        (
            words(f"card.agenda.{part}"),
            words(f"card.agenda.{part}.content"),
            length(Duration(seconds=60 * minutes) if minutes else _play(script), words),
            "",
        )
        for part, minutes in AGENDA.items()
    )
    return grid(heads, rows, words)


def _play(script: Script) -> Duration:
    """How long the play takes: until its last inject, and as long as the last step where things are really done."""
    spans = [Duration(seconds=60 * PLAY), *(one.after for one in script.injects if one.after)]
    if script.kind in REAL:
        spans += [step.target_time for plan in script.plans for step in plan.steps if step.target_time]
    return max(spans, key=lambda one: one.approximate_seconds)


def _scenario(script: Script, words: Words) -> Iterator[Block]:
    told = script.exercise.scenario if script.exercise else None
    if told:
        yield Text((told,))
    for risk in script.risks:
        yield Part(
            heading=words("card.scenario.risk", id=risk.id, title=risk.title),
            text="\n".join(risk.told),
        )
    if not told and not script.risks:
        if script.services:
            yield Text((words("card.scenario.away", services=tuple(one.name for one in script.services)),))
        yield Items(tuple(one for plan in script.plans for one in plan.activation))


def _injects(script: Script, words: Words) -> tuple[Block, ...]:
    if not script.injects:
        return ()
    heads = (
        ("card.cue.after", 3, Use.TEXT),
        ("card.cue.tells", 8, Use.LEAD),
        ("card.cue.expects", 8, Use.TEXT),
        ("card.cue.seen", 5, Use.ROOM),
    )
    rows = ((length(one.after, words), one.tells, one.expects or NONE, "") for one in script.injects)
    return (grid(heads, rows, words),)


def _cues(plan: Plan, script: Script, words: Words) -> Grid:
    heads = (
        ("card.step.no", 2, Use.TEXT),
        ("card.cue.asks", 8, Use.LEAD),
        ("card.cue.expects", 8, Use.TEXT),
        ("card.step.who", 7, Use.TEXT),
        ("card.step.target", 4, Use.TEXT),
        ("card.cue.seen", 5, Use.ROOM),
    )

    def rows() -> Iterator[tuple[str, ...]]:
        for step in plan.steps:
            asks = words("card.cue.ask.when", when=step.when) if step.when else words("card.cue.ask")
            where = [words("card.step.where", text=step.where)] if step.where else []
            how = [words("card.step.how", text=step.how)] if step.how else []
            expects = "\n".join((step.does, *where, *how))
            target = length(step.target_time, words)
            yield str(step.no), asks, expects, below(script.doers[step.who]), target, ""

    return grid(heads, rows(), words)


def _observations(script: Script, words: Words) -> Iterator[Block]:
    heads = (
        ("card.time.what", 7, Use.LEAD),
        ("card.time.field", 5, Use.TEXT),
        ("card.time.at", 5, Use.ROOM),
        ("card.time.from", 5, Use.ROOM),
    )
    fields = ("started", "detected", "service_up", "data_point")
    yield grid(heads, ((words(f"card.time.{one}"), f"measured.{one}", "", "") for one in fields), words)
    timed = [one for one in script.services if one.rto or one.rpo]
    if timed:
        measured = (
            ("card.service", 8, Use.LEAD),
            ("card.rto", 3, Use.TEXT),
            ("card.rto.measured", 3, Use.ROOM),
            ("card.rpo", 3, Use.TEXT),
            ("card.rpo.measured", 3, Use.ROOM),
        )
        yield grid(
            measured, ((one.name, length(one.rto, words), "", length(one.rpo, words), "") for one in timed), words
        )
    seen = (("card.seen.clock", 2, Use.ROOM), ("card.seen.what", 8, Use.ROOM), ("card.seen.action", 6, Use.ROOM))
    yield grid(seen, (("", "", "") for _ in range(ROWS)), words)


def _afterwards(script: Script, words: Words) -> tuple[str, ...]:
    planned, id_ = ((), script.exercise.id) if script.exercise else ((PLAN,), "E-…")
    first = [words("card.afterwards.plan", command=command) for command in planned]
    rest = (words(f"card.afterwards.{one}") for one in ("result", "times", "findings", "plan-mended"))
    return (*first, words("card.afterwards.hold", command=HOLD.format(id=id_)), *rest)
