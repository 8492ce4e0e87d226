"""What came of the tests of rules in, a table with its failures for a person out, or JSON lines for a program.

Personal identity codes are masked, and everything from logs, rules and tests is made plain.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from kyber.cli.console import Colour, paint, say, show_problems
from kyber.finding import Evidence
from kyber.logs.rule_tests import Provenance
from kyber.logs.sigma.explain import Told, Why
from kyber.logs.trial import Refusal, Result, Trial, Tried
from kyber.privacy import mask
from kyber.problem import Problem
from kyber.render.excerpt import excerpt
from kyber.render.safe import every_text, json_line, plain
from kyber.text import Key, Words

VALUE_SHOWN: Final = 120
"""Characters of a value or pattern that a reader sees."""
LEAVES_SHOWN: Final = 6
"""Comparisons that a reader sees of one event, and hits of one test."""


def show(result: Result, words: Words) -> None:
    """Print the table of rules, then what is to be mended, each failed test with its reasons, and the sums."""
    result = every_text(every_text(result, mask), plain)
    for line in _table(result.tried, words):
        say(line)
    failed = {trial.test.place: trial for one in result.tried for trial in one.trials if not trial.passed}
    if result.problems:
        say()
    for problem in result.problems:
        show_problems((problem,), words)
        if problem.code == "R96" and problem.place in failed:
            for line in _why(failed[problem.place], words):
                say(f"    {line}")
    say()
    say(_sums(result, words))
    if result.unread:
        say(paint(words.many("trial.unread", result.unread), Colour.BAD))
    if result.tests:
        say(_provenance(result, words))


def _table(tried: Sequence[Tried], words: Words) -> Iterator[str]:
    """One line a rule: its name, how many hits and misses its tests are of, and how they came out."""
    if not tried:
        return
    heads = [words("trial.rule"), words("trial.hits"), words("trial.misses"), words("trial.result")]
    width = max(len(heads[0]), *(len(_name(one)) for one in tried))
    yield f"{heads[0]:<{width}}  {heads[1]:>6}  {heads[2]:>6}  {heads[3]}"
    for one in tried:
        if not one.trials:
            came = paint(words("trial.none"), Colour.DOUBT)
        elif one.failed:
            came = paint(words.many("trial.failed", one.failed), Colour.BAD)
        else:
            came = paint(words("trial.passed"), Colour.GOOD)
        yield f"{_name(one):<{width}}  {one.hits:>6}  {one.misses:>6}  {came}"


def _name(one: Tried) -> str:
    return one.rule.name or one.rule.title


def _sums(result: Result, words: Words) -> str:
    rules = words.many("trial.rules", len(result.tried))
    tests = words.many("trial.tests", result.tests)
    if not result.failed:
        return f"{rules}, {tests}: {words('trial.all-passed')}" if result.tests else f"{rules}, {tests}."
    return f"{rules}, {tests}: {words.many('trial.all-failed', result.failed)}"


def _provenance(result: Result, words: Words) -> str:
    shares = [
        f"{words(f'trial.{one}')} {words.number(count)} ({round(100 * count / result.tests)} %)"
        for one, count in result.provenance.items()
    ]
    return words("trial.provenance", shares=", ".join(shares))


# --- why a test failed ------------------------------------------------------------------------------------------------


def _why(trial: Trial, words: Words) -> Iterator[str]:
    for record, evidence in trial.hits[:LEAVES_SHOWN]:
        yield words("trial.hit", record=record)
        yield from (f"  {_evidence(one)}" for one in evidence[:LEAVES_SHOWN])
    if trial.counted is not None:
        yield words("trial.counted", counted=", ".join(f"{name} × {n}" for name, n in trial.counted.items()))
    for window in trial.windows:
        yield words("trial.window", span=window.span, kind=window.kind, value=window.value, asked=window.asked)
    if trial.blind and not trial.refusals:
        yield words("trial.blind", why=trial.blind)
    for refusal in trial.refusals:
        yield words("trial.refusal", record=refusal.record, rule=refusal.rule.name or refusal.rule.title)
        yield from (f"  {line}" for line in _refused(refusal, words))


def _evidence(one: Evidence) -> str:
    asked = f" <- {excerpt(one.pattern, VALUE_SHOWN)}" if one.pattern != one.value else ""
    return f"{one.part}: {one.field or one.column} = {excerpt(one.value, VALUE_SHOWN, one.pattern)}{asked}"


def _refused(refusal: Refusal, words: Words) -> Iterator[str]:
    for seen in refusal.unseen:
        facts = {"key": Key(f"explain.key.{seen.key}"), "wanted": seen.wanted, "given": seen.given, "table": seen.table}
        yield words(f"explain.reach.{seen.reach}", **facts)
    for leaf in refusal.lacking[:LEAVES_SHOWN]:
        yield f"[-] {_leaf(leaf, words)}"
    for leaf in refusal.against[:LEAVES_SHOWN]:
        yield f"[+] {_leaf(leaf, words)}  ({words('trial.against')})"
    if more := sum(max(len(some) - LEAVES_SHOWN, 0) for some in (refusal.lacking, refusal.against)):
        yield words.many("trial.more", more)
    for one in refusal.filters:
        yield words("trial.filtered", title=one.title_in(words.language), file=one.path)


def _leaf(leaf: Told, words: Words) -> str:
    line = f"{leaf.part}: {leaf.field or words('explain.keyword')} <- {excerpt(leaf.pattern, VALUE_SHOWN)}"
    if leaf.column:
        line += f"  {leaf.column} = {excerpt(leaf.value or '', VALUE_SHOWN, leaf.pattern)}"
    if leaf.why is not Why.HOLDS:
        line += f"  ({words(f'explain.why.{leaf.why}', columns=', '.join(leaf.columns))})"
    return line


# --- for programs -----------------------------------------------------------------------------------------------------


def lines(result: Result, words: Words) -> Iterator[str]:
    """One JSON object a rule, one for each thing that is to be mended, and one with the sums."""
    result = every_text(result, mask)
    for one in result.tried:
        yield json_line(
            {
                "rule": {"id": one.rule.id, "name": one.rule.name, "title": one.rule.title, "path": one.rule.path},
                "file": one.file or None,
                "hits": one.hits,
                "misses": one.misses,
                "failed": one.failed,
                "tests": [_test(trial) for trial in one.trials],
            }
        )
    for problem in result.problems:
        yield json_line({"problem": _problem(problem, words)})
    sums = {
        "rules": len(result.tried),
        "tests": result.tests,
        "failed": result.failed,
        "unread": result.unread,
        "origin": {str(one): count for one, count in result.provenance.items()},
    }
    yield json_line({"summary": sums})


def _test(trial: Trial) -> dict[str, Any]:
    test = trial.test
    return {
        "name": test.name,
        "line": test.place.line,
        "origin": str(Provenance(test.provenance)),
        "source": test.source,
        "expect": test.expect,
        "events": trial.events,
        "passed": trial.passed,
        "records": trial.records,
        "rejected": trial.rejected,
        "blind": trial.blind or None,
        "hits": [{"record": record, "evidence": [_evidence(one) for one in seen]} for record, seen in trial.hits],
        "counted": trial.counted,
        "refusals": [
            {
                "rule": one.rule.name or one.rule.id,
                "record": one.record,
                "logsource": [f"{seen.key}:{seen.wanted}" for seen in one.unseen],
                "lacking": [_told(leaf) for leaf in one.lacking],
                "against": [_told(leaf) for leaf in one.against],
                "filters": [filtered.path for filtered in one.filters],
            }
            for one in trial.refusals
        ],
    }


def _told(leaf: Told) -> dict[str, Any]:
    return {
        "part": leaf.part,
        "field": leaf.field,
        "pattern": leaf.pattern,
        "column": leaf.column,
        "value": leaf.value,
        "why": str(leaf.why),
    }


def _problem(problem: Problem, words: Words) -> dict[str, Any]:
    message, cure = words.problem(problem)
    place = problem.place
    told = {"file": place.file, "line": place.line, "code": problem.code, "severity": str(problem.severity)}
    return {**told, "message": message, "cure": cure}
