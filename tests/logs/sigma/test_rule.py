"""Reading rule files: each fault is named with its code and line, and what is sound is read all the same."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kyber.finding import Family
from kyber.level import Level
from kyber.logs.batch import LogSource
from kyber.logs.sigma.condition import MAX_DEPTH, MAX_LENGTH
from kyber.logs.sigma.detection import MAX_LEAVES
from kyber.logs.sigma.predicate import Glob, leaves, written
from kyber.logs.sigma.rule import MAX_FILE, RuleSet, read_rules
from kyber.problem import Place, Severity
from kyber.yamltext import MAX_ALIASES

HEAD = """\
title: A rule
id: 11111111-1111-4111-8111-111111111111
logsource:
  product: windows
"""
SOUND = HEAD + "detection:\n  sel:\n    EventID: 1\n  condition: sel\n"


def read(folder: Path, files: Mapping[str, str | bytes], lists: Mapping[str, Sequence[str]] | None = None) -> RuleSet:
    """The rules of a folder that holds these files."""
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_rules([str(folder)], lists or {})


def said(ruleset: RuleSet) -> list[tuple[str, int, str]]:
    """File name, line and code of each problem."""
    return [(Path(one.place.file).name, one.place.line, one.code) for one in ruleset.problems]


def detection(*lines: str) -> str:
    return HEAD + "detection:\n" + "".join(f"  {line}\n" for line in lines)


BROKEN: Mapping[str, tuple[str, int, str]] = {
    "quotes that are not closed": (HEAD + "detection:\n  sel: 'x\n", 7, "R01"),
    "a key that stands twice": (HEAD + "title: again\n", 5, "R01"),
    "a tag": (HEAD + "detection: !!python/object:os.system {}\n", 5, "R01"),
    "a list": ("- title: x\n", 1, "R02"),
    "a text": ("just words\n", 1, "R02"),
    "a mapping of something else": ("colour: blue\n", 1, "R02"),
    "detection that is a list": (HEAD + "detection:\n  - sel\n", 5, "R02"),
    "no title": (SOUND.replace("title: A rule\n", ""), 1, "R03"),
    "an empty title": (SOUND.replace("A rule", "' '"), 1, "R03"),
    "a title that is a list": (SOUND.replace("A rule", "[a, b]"), 1, "R03"),
    "no logsource": (SOUND.replace("logsource:\n  product: windows\n", ""), 1, "R03"),
    "a logsource that is a text": (SOUND.replace("\n  product: windows", " windows"), 3, "R03"),
    "no condition": (detection("sel:", "  a: 1"), 5, "R03"),
    "a condition that is a number": (detection("sel:", "  a: 1", "condition: 1"), 8, "R03"),
    "a condition that is an empty list": (detection("sel:", "  a: 1", "condition: []"), 8, "R03"),
    "a condition that is partly no text": (detection("sel:", "  a: 1", "condition: [sel, 2]"), 8, "R03"),
    "an empty condition": (detection("sel:", "  a: 1", "condition: ''"), 8, "R04"),
    "a selection that is not there": (detection("sel:", "  a: 1", "condition: sle"), 8, "R04"),
    "no selection of that name": (detection("sel:", "  a: 1", "condition: 1 of x*"), 8, "R04"),
    "two of": (detection("sel:", "  a: 1", "condition: 2 of sel*"), 8, "R04"),
    "an aggregation": (detection("sel:", "  a: 1", "condition: sel | count() > 5"), 8, "R04"),
    "an open parenthesis": (detection("sel:", "  a: 1", "condition: (sel"), 8, "R04"),
    "a condition that ends too early": (detection("sel:", "  a: 1", "condition: sel and"), 8, "R04"),
    "a condition too deep": (
        detection("sel:", "  a: 1", "condition: " + "(" * (MAX_DEPTH + 1) + "sel" + ")" * (MAX_DEPTH + 1)),
        8,
        "R04",
    ),
    "a condition too long": (detection("sel:", "  a: 1", "condition: sel" + " or sel" * MAX_LENGTH), 8, "R04"),
    "a modifier that is none": (detection("sel:", "  a: 1", "  b|beginswith: x", "condition: sel"), 8, "R05"),
    "a regular expression that is none": (
        detection("sel:", "  a|re:", "    - ok", "    - '('", "condition: sel"),
        7,
        "R06",
    ),
    "a network that is none": (detection("sel:", "  a|cidr: 10.0.0.0/33", "condition: sel"), 7, "R06"),
    "a number that is none": (detection("sel:", "  a|gt: many", "condition: sel"), 7, "R06"),
    "exists with a word": (detection("sel:", "  a|exists: yes", "condition: sel"), 7, "R06"),
    "base64 of a wildcard": (detection("sel:", "  a|base64: 'x*'", "condition: sel"), 7, "R06"),
    "windash of too many dashes": (detection("sel:", f"  a|windash: '{' -a' * 9}'", "condition: sel"), 7, "R06"),
    "windash upon windash": (detection("sel:", f"  a|{'windash|' * 12}windash: ' -a -b'", "condition: sel"), 7, "R06"),
    "base64offset upon itself": (
        detection("sel:", f"  a|{'base64offset|' * 12}base64offset: abc", "condition: sel"),
        7,
        "R06",
    ),
    "an empty list": (detection("sel: []", "condition: sel"), 6, "R18"),
    "an empty mapping": (detection("sel: {}", "condition: sel"), 6, "R18"),
    "nothing at all": (detection("sel:", "condition: sel"), 6, "R18"),
    "an empty mapping in a list": (detection("sel:", "  - a: 1", "  - {}", "condition: sel"), 8, "R18"),
    "a field without values": (detection("sel:", "  a: 1", "  b: []", "condition: sel"), 8, "R18"),
    "a field with all of no values": (detection("sel:", "  b|all: []", "condition: sel"), 7, "R18"),
    "a list in a list": (detection("sel:", "  - - a", "condition: sel"), 7, "R18"),
    "a list in a value": (detection("sel:", "  a:", "    - [1]", "condition: sel"), 7, "R18"),
    "a mapping in a value": (detection("sel:", "  a:", "    b: 1", "condition: sel"), 7, "R18"),
}

DOUBTFUL: Mapping[str, tuple[str, int, str]] = {
    "a level that is none": (SOUND + "level: severe\n", 9, "R08"),
    "a level that is a list": (SOUND + "level: [high]\n", 9, "R08"),
    "no id": (SOUND.replace("id: 11111111-1111-4111-8111-111111111111\n", ""), 1, "R14"),
    "a family that is none": (SOUND + "kyber:\n  owner: x\n  family: safety\n", 11, "R17"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_rule_is_named_by_file_line_and_code_and_is_not_run(fault: str, tmp_path: Path) -> None:
    text, line, code = BROKEN[fault]
    ruleset = read(tmp_path, {"broken.yml": text})
    assert said(ruleset) == [("broken.yml", line, code)]
    assert ruleset.problems[0].severity is Severity.ERROR
    assert not ruleset.rules
    assert not ruleset.unable


@pytest.mark.parametrize("fault", DOUBTFUL)
def test_a_doubtful_rule_is_named_and_runs_all_the_same(fault: str, tmp_path: Path) -> None:
    text, line, code = DOUBTFUL[fault]
    ruleset = read(tmp_path, {"doubtful.yml": text})
    assert said(ruleset) == [("doubtful.yml", line, code)]
    assert ruleset.problems[0].severity is Severity.WARNING
    (rule,) = ruleset.rules
    assert (rule.level, rule.family) == (Level.MEDIUM, Family.SECURITY)


def test_every_problem_of_a_folder_is_said_at_once_while_the_good_rules_are_read(tmp_path: Path) -> None:
    faults = {f"{at:02}.yml": text for at, (text, _, _) in enumerate(BROKEN.values())}
    good = {"good.yml": SOUND, "below/other.yaml": SOUND.replace("11111111", "22222222")}
    ruleset = read(tmp_path, {**faults, **good})
    assert [(line, code) for _, line, code in said(ruleset)] == [(line, code) for _, line, code in BROKEN.values()]
    assert sorted(Path(rule.ref.path).name for rule in ruleset.rules) == ["good.yml", "other.yaml"]


def test_the_second_document_of_a_file_is_read_where_the_first_is_broken(tmp_path: Path) -> None:
    text = HEAD + "---\n" + SOUND + "---\n---\n" + SOUND.replace("sel\n", "nothing\n").replace("111-", "112-")
    ruleset = read(tmp_path, {"several.yml": text})
    assert [rule.place.line for rule in ruleset.rules] == [6]
    assert said(ruleset) == [("several.yml", 1, "R02"), ("several.yml", 23, "R04")]


def test_an_id_that_was_seen_is_a_warning_and_the_first_rule_counts(tmp_path: Path) -> None:
    ruleset = read(tmp_path, {"a.yml": SOUND, "b.yml": SOUND.replace("EventID: 1", "EventID: 2")})
    assert [Path(rule.ref.path).name for rule in ruleset.rules] == ["a.yml"]
    (problem,) = ruleset.problems
    assert (problem.code, problem.severity) == ("R09", Severity.WARNING)
    assert problem.facts == {"id": "11111111-1111-4111-8111-111111111111", "first": str(tmp_path / "a.yml")}


def test_the_same_rule_twice_is_one_rule_and_no_problem(tmp_path: Path) -> None:
    ruleset = read(tmp_path, {"a.yml": SOUND, "b.yml": SOUND})
    assert (len(ruleset.rules), ruleset.problems) == (1, ())
    again = read_rules([str(tmp_path / "a.yml"), str(tmp_path)], {})
    assert (len(again.rules), again.problems) == (1, ())


def test_a_rule_without_an_id_goes_by_its_title(tmp_path: Path) -> None:
    text = SOUND.replace("id: 11111111-1111-4111-8111-111111111111\n", "")
    (first,) = read(tmp_path / "a", {"x.yml": text}).rules
    (second,) = read(tmp_path / "b", {"y.yml": text + "level: high\n"}).rules
    (other,) = read(tmp_path / "c", {"z.yml": text.replace("A rule", "Another")}).rules
    assert first.ref.id == second.ref.id != other.ref.id
    assert UUID(first.ref.id).version == 5


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    ruleset = read(tmp_path, {"large.yml": SOUND + "#" * MAX_FILE, "good.yml": SOUND})
    assert said(ruleset) == [("large.yml", 0, "R10")]
    assert len(ruleset.rules) == 1


def test_a_path_that_is_not_there_is_a_problem_and_the_others_are_read(tmp_path: Path) -> None:
    read(tmp_path, {"good.yml": SOUND})
    ruleset = read_rules([str(tmp_path / "nothing"), str(tmp_path / "good.yml")], {})
    assert [(one.code, one.place) for one in ruleset.problems] == [("R13", Place(str(tmp_path / "nothing")))]
    assert len(ruleset.rules) == 1


def test_aliases_that_multiply_are_a_problem_and_not_a_memory(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    many = "a: &a [x]\nb: [" + ", ".join(["*a"] * (MAX_ALIASES + 1)) + "]\n"
    ruleset = read(tmp_path, {"bomb.yml": bomb + SOUND, "many.yml": many + SOUND, "self.yml": "a: &a [*a]\n"})
    assert [(name, code) for name, _, code in said(ruleset)] == [
        ("bomb.yml", "R01"),
        ("many.yml", "R01"),
        ("self.yml", "R01"),
    ]
    assert all("alias" in str(one.facts["why"]) for one in ruleset.problems)


def test_an_alias_used_as_sigma_rules_use_it_is_followed(tmp_path: Path) -> None:
    text = detection("a: &names", "  - x", "  - y", "sel:", "  Image: *names", "condition: sel or a")
    (rule,) = read(tmp_path, {"alias.yml": text}).rules
    assert [(leaf.field, str(leaf.predicate)) for leaf in leaves(rule.condition)] == [
        ("Image", "x"),
        ("Image", "y"),
        ("", "*x*"),
        ("", "*y*"),
    ]


def test_a_rule_of_too_many_comparisons_is_refused(tmp_path: Path) -> None:
    values = "".join(f"    - {n}\n" for n in range(MAX_LEAVES // 4 + 1))
    text = HEAD + f"detection:\n  sel:\n    a:\n{values}  condition: sel or sel or sel or sel\n"
    assert [code for _, _, code in said(read(tmp_path, {"x.yml": text}))] == ["R04"]
    allowed = text.replace("sel or sel or sel or sel", "sel or sel or sel")
    assert len(read(tmp_path, {"x.yml": allowed}).rules) == 1


def test_a_rule_carries_what_its_file_says(tmp_path: Path) -> None:
    more = """\
name: a_rule
level: critical
description: |
  What it means.
tags: [attack.t1059, attack.execution]
falsepositives: Nobody
references:
  - https://example.com/
kyber:
  family: access
"""
    (rule,) = read(tmp_path, {"x.yml": SOUND + more}).rules
    assert (rule.ref.name, rule.ref.title, rule.ref.path) == ("a_rule", "A rule", str(tmp_path / "x.yml"))
    assert (rule.level, rule.family, rule.logsource) == (Level.CRITICAL, Family.ACCESS, LogSource("windows"))
    assert (rule.description, rule.tags) == ("What it means.", ("attack.t1059", "attack.execution"))
    assert (rule.false_positives, rule.references) == (("Nobody",), ("https://example.com/",))
    assert rule.place == Place(str(tmp_path / "x.yml"), 1)


def test_the_hash_of_a_rule_is_that_of_its_canonical_json_and_passes_over_layout(tmp_path: Path) -> None:
    canonical = (
        '{"detection":{"condition":"sel","sel":{"EventID":1}},"id":"11111111-1111-4111-8111-111111111111",'
        '"logsource":{"product":"windows"},"title":"A rule"}'
    )
    (plain,) = read(tmp_path / "a", {"x.yml": SOUND}).rules
    (laid,) = read(tmp_path / "b", {"y.yml": "# a comment\n" + SOUND.replace("A rule", '"A rule"')}).rules
    (edited,) = read(tmp_path / "c", {"x.yml": SOUND.replace("EventID: 1", "EventID: '1'")}).rules
    assert plain.ref.hash == laid.ref.hash == sha256(canonical.encode()).hexdigest() != edited.ref.hash


def test_rules_filters_and_correlations_may_stand_in_one_file(tmp_path: Path) -> None:
    several = f"""{SOUND}---
title: Many
id: c
correlation: {{type: event_count, rules: [A rule], timespan: 1h, condition: {{gte: 2}}}}
---
title: Not these
id: f
logsource: {{product: windows}}
filter: {{rules: any, sel: {{A: 1}}, condition: sel}}
"""
    ruleset = read(tmp_path, {"several.yml": several.replace("[A rule]", "[11111111-1111-4111-8111-111111111111]")})
    assert [one.ref.title for one in ruleset.rules] == ["A rule"]
    assert [one.ref.title for one in ruleset.correlations] == ["Many"]
    assert [one.ref.title for one in ruleset.filters] == ["Not these"]
    assert (ruleset.unable, ruleset.problems) == ((), ())


EXPAND = detection("sel:", "  User|expand:", "    - '%admins%'", "    - 'svc-%where%*'", "condition: sel")


def test_placeholders_are_filled_from_the_lists(tmp_path: Path) -> None:
    lists = {"admins": ["adm-a", r"DOM\adm-b", "x*"], "where": ["ab", "cd"]}
    (rule,) = read(tmp_path, {"x.yml": EXPAND}, lists).rules
    globs = [leaf.predicate for leaf in leaves(rule.condition)]
    assert [written(one.tokens) for one in globs if isinstance(one, Glob)] == [
        "adm-a",
        r"DOM\adm-b",
        "x*",
        "svc-ab*",
        "svc-cd*",
    ]


def test_a_placeholder_that_no_list_fills_makes_the_rule_unable(tmp_path: Path) -> None:
    ruleset = read(tmp_path, {"x.yml": EXPAND}, {"admins": ["a"]})
    assert not ruleset.rules
    assert [(one.reason, one.facts) for one in ruleset.unable] == [("placeholder", {"name": "where"})]


def test_an_empty_list_fills_its_placeholder_with_nothing(tmp_path: Path) -> None:
    (rule,) = read(tmp_path, {"x.yml": EXPAND}, {"admins": [], "where": []}).rules
    assert list(leaves(rule.condition)) == []


def test_a_long_list_is_taken_whole_and_lists_that_multiply_are_not(tmp_path: Path) -> None:
    names = [f"u{n}" for n in range(MAX_LEAVES // 2)]
    (rule,) = read(tmp_path, {"x.yml": EXPAND}, {"admins": names, "where": ["a"]}).rules
    assert sum(1 for _ in leaves(rule.condition)) == len(names) + 1
    multiplied = EXPAND.replace("%admins%", "%admins%" * 4)
    assert said(read(tmp_path, {"x.yml": multiplied}, {"admins": names, "where": ["a"]})) == [("x.yml", 7, "R06")]


def test_tests_beside_rules_hidden_files_and_other_files_are_left_out(tmp_path: Path) -> None:
    others = dict.fromkeys(("x.tests.yaml", ".hidden.yml", ".git/x.yml", "README.md", "x.json"), "not: a rule\n")
    ruleset = read(tmp_path, {"x.yml": SOUND, **others})
    assert ([Path(rule.ref.path).name for rule in ruleset.rules], ruleset.problems) == (["x.yml"], ())


# --- whatever the bytes -----------------------------------------------------------------------------------------------

ANYTHING = settings(deadline=None, max_examples=75, suppress_health_check=[HealthCheck.function_scoped_fixture])
WHOLE = (
    SOUND
    + """\
level: high
tags: [attack.t1059]
kyber: {family: technical}
---
title: Second
logsource: {category: process_creation}
detection:
  sel_a|all: [x]
  sel_b:
    - CommandLine|windash|contains|all: [' -x ', "y*"]
      Image|endswith: '\\\\a.exe'
    - B|re|i: '^a(b|c)?$'
  sel_c: {C|cidr: 10.0.0.0/8, D|gte: 5, E|exists: true, F|fieldref: G, H|base64offset|contains: abc, I|expand: '%a%'}
  condition: (1 of sel_* and not all of sel_b) or sel_c
"""
)
PIECES = ["|", ":", "-", "[", "]", "{", "}", "'", '"', "\n", "  ", "&a ", "*a", "null", "~", "%a%", "|re", "|all", "of"]
PIECES += ["|contains", "not ", " and ", "(", ")", "*", "\\", "\x00", "\u2028", "|windash", "|cidr", "|expand", "---\n"]
PIECES += ["!!binary ", "<<: ", "? ", "1e999", ".nan", "0x1", "9" * 400, "|lt", "|hour", "|fieldref", "\ud7ff", "\t"]


def never_raises(folder: Path, content: bytes) -> None:
    file = folder / f"{uuid4()}.yml"
    file.write_bytes(content)
    ruleset = read_rules([str(file)], {"a": ["x", "*"]})
    file.unlink()
    assert all(one.place.file == str(file) and one.place.line >= 0 for one in ruleset.problems)
    assert all(one.ref.path == str(file) for one in (*ruleset.rules, *ruleset.unable))


@ANYTHING
@given(content=st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(content: bytes, tmp_path: Path) -> None:
    never_raises(tmp_path, content)


@ANYTHING
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, len(WHOLE)), st.integers(0, 12), st.one_of(st.sampled_from(PIECES), st.text(max_size=3))
        ),
        min_size=1,
        max_size=4,
    )
)
def test_no_change_to_a_rule_makes_the_reader_raise(changes: list[tuple[int, int, str]], tmp_path: Path) -> None:
    text = WHOLE
    for at, removed, inserted in changes:
        text = text[:at] + inserted + text[at + removed :]
    never_raises(tmp_path, text.encode("utf-8", "surrogatepass"))


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(PIECES), st.text(max_size=5))
MODIFIERS = ["contains", "startswith", "endswith", "all", "cased", "exists", "neq", "windash", "re", "i", "m", "s"]
MODIFIERS += ["base64", "base64offset", "wide", "utf16be", "utf16", "lt", "gte", "hour", "week", "cidr", "expand"]
MODIFIERS += ["fieldref", "nonsense", ""]
KEYS = st.builds(
    lambda field, modifiers: "|".join([field, *modifiers]),
    st.sampled_from(["a", "b.c", "", "*"]),
    st.lists(st.sampled_from(MODIFIERS), max_size=4),
)
TREES = st.recursive(
    VALUES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3))
)


@ANYTHING
@given(selection=TREES, condition=st.one_of(VALUES, st.just("sel"), st.just("not 1 of sel*"), st.just(["sel", "sel"])))
def test_no_selection_makes_the_reader_raise(selection: object, condition: object, tmp_path: Path) -> None:
    import yaml

    document = {"title": "t", "logsource": {}, "detection": {"sel": selection, "condition": condition}}
    never_raises(tmp_path, yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass"))
