"""Every check of the linter: a rule that it is about, and how little it takes to content it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs.batch import LogSource
from kyber.logs.sigma.lint import Linted, Registered, lint
from kyber.logs.sigma.rule import read_rules, rule_files
from kyber.logs.sigma.shipped import shipped_rules
from kyber.logs.sigma.written import Written
from kyber.problem import Problem, Severity
from kyber.text import LANGUAGES, words_for
from kyber.yamltext import load
from tests.data import unpacked

GOOD = """
    title: A good rule
    id: 11111111-2222-4333-8444-555555555555
    status: test
    references: [https://example.org/why, Internal research]
    author: Somebody
    date: 2026-01-31
    tags: [attack.initial-access, attack.t1059.001, detection.threat-hunting, cve.2024-3400]
    logsource: {product: windows, category: process_creation}
    detection:
      selection:
        Image|endswith: '\\\\a.exe'
        CommandLine|contains|all: [one, two]
      filter_main_parent:
        ParentImage: 'c:\\\\b.exe'
      condition: selection and not 1 of filter_main_*
    level: high
    """


def looked(*texts: str, registered: Registered | None = None, rules: Path | None = None) -> Linted:
    documents = [
        Written(f"rules/{index}.yml", number, one)
        for index, text in enumerate(texts)
        for number, one in enumerate(load(dedent(text).encode(), f"rules/{index}.yml"))
    ]
    return lint(documents, registered=registered)


def codes(problems: Iterable[Problem]) -> list[str]:
    return [problem.code for problem in problems]


def with_(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_nothing_is_said_of_a_good_rule() -> None:
    assert looked(GOOD) == Linted(())


SELECTION = "Image|endswith: '\\\\a.exe'"
DOUBTS: Mapping[str, tuple[str, tuple[str, str], int]] = {
    "a key that is nearly one of Sigma's": ("R50", ("references:", "refrences:"), 5),
    "a modifier that stands twice": ("R53", (SELECTION, "Image|contains|contains: a"), 12),
    "two modifiers that anchor": ("R53", (SELECTION, "Image|startswith|endswith: a"), 12),
    "base64offset without contains": ("R54", (SELECTION, "Image|base64offset: abc"), 12),
    "all of several whole values": ("R55", (SELECTION, "Image|all: [a, b]"), 12),
    "all of several beginnings": ("R55", (SELECTION, "Image|startswith|all: [a, b]"), 12),
    "a value that stands twice but for case": ("R56", (SELECTION, "Image: [a, b, A]"), 12),
    "a product with a slip in it": ("R59", ("product: windows", "product: windwos"), 9),
    "a category with a slip in it": ("R59", ("process_creation", "proccess_creation"), 9),
    "a title that is too long": ("R60", ("A good rule", "x" * 257), 2),
    "a status that is none": ("R61", ("status: test", "status: testing"), 4),
    "no level": ("R62", ("level: high", "falsepositives: [none]"), 2),
    "a level in capitals": ("R63", ("level: high", "level: High"), 17),
    "a status in capitals": ("R63", ("status: test", "status: Test"), 4),
    "a tag without a namespace": ("R64", ("attack.initial-access", "initial"), 8),
    "a tag in capitals": ("R64", ("attack.t1059.001", "attack.T1059.001"), 8),
    "a tag with a space": ("R64", ("attack.initial-access", "attack.initial access"), 8),
    "a tactic with an underscore": ("R65", ("attack.initial-access", "attack.initial_access"), 8),
    "a tactic that is none": ("R65", ("attack.initial-access", "attack.entry"), 8),
    "a technique of three digits": ("R65", ("attack.t1059.001", "attack.t105"), 8),
    "an id that is no UUID": ("R66", ("11111111-2222-4333-8444-555555555555", "rule-1"), 3),
    "a date with slashes": ("R68", ("2026-01-31", "2026/01/31"), 7),
    "a day that is none": ("R68", ("2026-01-31", "2026-02-31"), 7),
    "a date the American way": ("R68", ("2026-01-31", "01/31/2026"), 7),
    "a reference that is no address": ("R69", ("https://example.org/why", "hxxps://example.org"), 5),
    "a filter that is not negated": ("R70", ("not 1 of filter_main_*", "filter_main_parent"), 14),
    "1 of filter_* without not": ("R70", ("and not 1 of", "and 1 of"), 14),
    "filters among all of them": ("R70", ("selection and not 1 of filter_main_*", "all of them"), 14),
    "a selection that is not used": ("R72", ("selection and not 1 of filter_main_*", "selection"), 14),
    "a field in other capitals": ("R73", ("CommandLine|", "Commandline|"), 13),
    "a field with a letter too few": ("R73", ("CommandLine|", "CommandLin|"), 13),
    "a value beside a lone star": ("R75", (SELECTION, "Image: [a, '*']"), 12),
    "an empty text that is contained": ("R75", (SELECTION, "Image|contains: ''"), 12),
    "a star that contains brings anyway": ("R76", (SELECTION, "Image|contains: '*a*'"), 12),
    "all with one value": ("R77", ("CommandLine|contains|all: [one, two]", "CommandLine|contains|all: one"), 13),
    "a pattern with .* at both ends": ("R78", (SELECTION, "Image|re: '.*a.*'"), 12),
    "null in a list": ("R79", (SELECTION, "Image: [a, null]"), 12),
}  # fmt: skip


@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_check_says_what_it_is_about_and_where(doubt: str) -> None:
    code, change, line = DOUBTS[doubt]
    (problem,) = looked(with_(*change)).problems
    assert (problem.code, problem.place.file, problem.place.line) == (code, "rules/0.yml", line)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("doubt", DOUBTS)
def test_every_doubt_can_be_told_in_every_language(doubt: str, language: str) -> None:
    (problem,) = looked(with_(*DOUBTS[doubt][1])).problems
    message, cure = words_for(language).problem(problem)
    assert message.endswith(".")
    assert "{" not in message + cure


CONTENTED = {
    "a star in the middle": (SELECTION, "Image|contains: 'a*b'"),
    "an escaped star at the end": (SELECTION, r"Image|contains: 'a\*'"),
    "a star at the end that startswith does not bring": (SELECTION, "Image|endswith: 'a*'"),
    "all of several that a text contains": (SELECTION, "Image|contains|all: [a, b]"),
    "all of several patterns": (SELECTION, "Image|re|all: [a, b]"),
    "all of several whole values with stars": (SELECTION, "Image|all: ['*a*', '*b*']"),
    "a pattern that ends in an escaped dot and a star": (SELECTION, r"Image|re: '.*a\.*'"),
    "values that differ in case where it counts": (SELECTION, "Image|cased: [a, A]"),
    "a number and the text of it": (SELECTION, "Image: [1, '1']"),
    "a field that no table names, as Windows has many": (SELECTION, "NeverHeardOf: a"),
    "a filter that is negated by name": ("not 1 of filter_main_*", "not filter_main_parent"),
    "a filter that is negated among others": ("not 1 of filter_main_*", "not (filter_main_parent or 1 of filter_*)"),
    "ICS tactics and software": ("attack.initial-access", "attack.inhibit-response-function, attack.s0002"),
    "a key of one's own": ("status: test", "x-reviewed-by: me"),
}


@pytest.mark.parametrize("what", CONTENTED)
def test_nothing_is_said_of_what_is_meant(what: str) -> None:
    assert codes(looked(with_(*CONTENTED[what])).problems) == []


def test_not_all_of_several_filters_probably_means_not_one_of_them() -> None:
    two = with_("condition:", "filter_main_other: {User: x}\n      condition:")
    negated = two.replace("not 1 of filter_main_*", "not all of filter_main_*")
    assert codes(looked(two).problems) == []
    assert codes(looked(negated).problems) == ["R71"]
    assert codes(looked(negated.replace("not all of filter_main_*", "not (all of filter_main_*)")).problems) == ["R71"]


def test_not_all_of_selections_that_are_no_filters_is_left_alone() -> None:
    text = with_("condition: selection and not 1 of filter_main_*", "condition: not all of them")
    assert codes(looked(text.replace("filter_main_parent", "other")).problems) == []


def test_a_lone_star_is_a_note_since_it_says_that_the_field_is_there() -> None:
    (problem,) = looked(with_(SELECTION, "Image: '*'")).problems
    assert (problem.code, problem.severity) == ("R75", Severity.NOTE)


def test_a_logsource_that_nothing_knows_is_told_once_with_the_number_of_its_rules() -> None:
    macos = with_("product: windows", "product: macos")
    other = macos.replace("11111111-", "22222222-").replace("[one, two]", "[one, three]")
    (problem,) = looked(macos, other).problems
    assert (problem.code, problem.severity, problem.facts["count"]) == ("R74", Severity.NOTE, 2)


def test_a_registered_source_makes_its_logsource_known() -> None:
    registered = Registered(frozenset({LogSource("macos", "process_creation", None)}))
    assert looked(with_("product: windows", "product: macos"), registered=registered) == Linted(())
    wrong = with_("product: windows, category: process_creation", "product: ambulance, service: dispatchh")
    known = Registered(frozenset({LogSource("ambulance", None, "dispatch")}))
    (problem,) = looked(wrong, registered=known).problems
    assert (problem.code, problem.facts["wanted"]) == ("R59", "dispatch")


def test_a_field_that_several_rules_have_is_held_to_be_right() -> None:
    rules = [
        with_(SELECTION, "AccountExpires: 1").replace("11111111-", f"{n}1111111-").replace("two]", f"two{n}]")
        for n in range(3)
    ]
    assert codes(looked(*rules).problems) == []
    (problem,) = looked(*rules, with_(SELECTION, "Accountexpires: 1")).problems
    assert (problem.code, problem.facts["wanted"]) == ("R73", "AccountExpires")


def test_a_field_that_no_table_of_the_product_has_is_a_note_where_the_tables_name_all() -> None:
    text = with_("product: windows, category: process_creation", "product: fortigate, service: event")
    assert set(codes(looked(text).problems)) == {"R58"}


FILTER = """
    title: A filter
    id: 99999999-2222-4333-8444-555555555555
    logsource: {product: windows, category: process_creation}
    filter:
      rules: [11111111-2222-4333-8444-555555555555]
      selection: {User: backup}
      other: {User: deploy}
      condition: CONDITION
    """


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("not (selection or other)", []),
        ("not 1 of them", []),
        ("selection or other", ["R52"]),
        ("selection and not other", ["R52"]),
        ("not selection and not other", ["R51"]),
        ("[not selection, not other]", ["R51"]),
        ("not selection", ["R72"]),
    ],
)
def test_a_filter_is_told_from_which_side_it_is_read(condition: str, expected: list[str]) -> None:
    assert codes(looked(FILTER.replace("CONDITION", condition)).problems) == expected


# --- among rules -----------------------------------------------------------------------------------------------------


def on_disk(folder: Path, *texts: str) -> Linted:
    for index, text in enumerate(texts):
        (folder / f"{index}.yml").write_text(dedent(text), encoding="utf-8")
    files = rule_files([str(folder)])[0]
    documents = [
        Written(str(file), number, one)
        for file in files
        for number, one in enumerate(load(file.read_bytes(), str(file)))
    ]
    read = read_rules([str(folder)], {})
    return lint(documents, read.rules, read.problems)


def test_a_rule_that_asks_the_same_under_another_id_and_other_names_is_a_duplicate(tmp_path: Path) -> None:
    copy = (
        GOOD.replace("11111111-", "22222222-")
        .replace("selection", "chosen")
        .replace("filter_main_parent", "filter_main_other")
        .replace("[one, two]", "[TWO, One]")
    )
    (problem,) = on_disk(tmp_path, GOOD, copy).problems
    assert (problem.code, problem.place.file) == ("R67", str(tmp_path / "1.yml"))
    assert problem.facts["id"] == "11111111-2222-4333-8444-555555555555"


def test_a_rule_that_asks_the_same_of_other_events_is_no_duplicate(tmp_path: Path) -> None:
    other = GOOD.replace("11111111-", "22222222-").replace("product: windows", "product: linux")
    assert codes(on_disk(tmp_path, GOOD, other.replace("CommandLine", "CommandLine")).problems) == []


def test_what_reading_says_is_part_of_the_answer_and_is_said_once(tmp_path: Path) -> None:
    without_id = GOOD.replace("    id: 11111111-2222-4333-8444-555555555555\n", "")
    wrong = GOOD.replace("level: high", "level: huge").replace("|endswith:", "|ends:")
    assert codes(on_disk(tmp_path, without_id, wrong).problems) == ["R14", "R05", "R08"]


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=6), st.sampled_from(["*", "a", ".*x.*"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "filter_x", "b|contains", "|re", "c|all", "condition", "rules"]), inner),
    ),
    max_leaves=12,
)
KEYS = (
    "title",
    "id",
    "status",
    "level",
    "tags",
    "date",
    "references",
    "logsource",
    "detection",
    "filter",
    "correlation",
)


@settings(deadline=None)  # the first example loads the formats
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_no_document_however_odd_stops_the_linter(document: dict[str, Any]) -> None:
    for problem in lint([Written("a.yml", 0, document)]).problems:
        assert all(words_for("en").problem(problem))


# --- whole sets ------------------------------------------------------------------------------------------------------

ARGUED = {
    ("azure_user_password_change.yml", "R70"): "the selection called a filter says what is looked for",
    ("lnx_file_copy.yml", "R70"): "as above",
    ("web_webshell_regeorg.yml", "R70"): "as above",
    ("file_event_win_susp_creation_by_mobsync.yml", "R70"): "as above",
    ("net_connection_win_silenttrinity_stager_msbuild_activity.yml", "R70"): "as above",
    ("proc_creation_win_regedit_export_keys.yml", "R71"): "both filters must hold, for they tell of one command line",
    ("proc_creation_win_regedit_import_keys.yml", "R71"): "as above",
    ("lnx_sudo_exploit_cve_2019_14287.yml", "R73"): "USER is how sudo itself writes it",
    ("win_sshd_openssh_server_listening_on_socket.yml", "R73"): "OpenSSH writes payload, PowerShell Payload",
    ("win_system_lpe_indicators_tabtip.yml", "R73"): "DistributedCOM writes param3, PrintService Param3",
    ("proc_creation_win_powershell_susp_child_processes.yml", "R75"): "an empty text with contains, in a filter",
}  # fmt: skip
"""The warnings about reviewed rules: each was looked at."""


def test_reviewed_rules_are_without_errors_and_almost_without_warnings() -> None:
    read = read_rules([str(unpacked("sigma-rules.tar.gz"))], {})
    files = rule_files([str(unpacked("sigma-rules.tar.gz"))])[0]
    documents = [Written(str(file), 0, load(file.read_bytes(), str(file))[0]) for file in files]
    assert len(documents) > 3_700
    problems = lint(documents, read.rules, read.problems).problems
    assert [problem for problem in problems if problem.severity is Severity.ERROR] == []
    warned = {(Path(one.place.file).name, one.code) for one in problems if one.severity is Severity.WARNING}
    assert warned == ARGUED.keys()
    notes = Counter(problem.code for problem in problems if problem.severity is Severity.NOTE)
    assert notes.total() < 60
    assert set(notes) <= {"R69", "R74", "R75", "R76"}


def test_nothing_is_said_of_the_shipped_rules() -> None:
    folder = str(shipped_rules())
    documents = [
        Written(str(file), number, one)
        for file in rule_files([folder])[0]
        for number, one in enumerate(load(file.read_bytes(), str(file)))
    ]
    read = read_rules([folder], {})
    assert len(documents) > 15
    assert lint(documents, read.rules, read.problems).problems == ()
