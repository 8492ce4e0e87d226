"""The forms: the same findings in each, and hostile texts harmless in all."""

import csv
import io
import json
import re
import unicodedata
from base64 import b64encode
from dataclasses import replace
from functools import reduce
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from operator import getitem
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from kyber.finding import ScanResult
from kyber.level import Level
from kyber.privacy import MASK
from kyber.render.excerpt import excerpt
from kyber.render.findings import FORMS, show
from kyber.render.rows import COLUMNS, tactics, techniques
from kyber.text import LANGUAGES, catalogue, words_for

from .results import CODE, account, blind, finding, hostile, result, rule, whole

EN = words_for("en")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
ATTACKS = [
    "[red]not red[/red] [link=http://evil.example]x[/link] :bomb:",
    "\x1b[2J\x1b]0;title\x07\x1b]8;;http://evil.example\x1b\\x",
    "\x9b31m",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)> ' onmouseover='alert(1)",
    "</title></style></svg><style>*{display:none}</style>",
    "{{ 7 * 7 }} {% raw %}",
    "=cmd|' /C calc'!A0",
    "x;=cmd|' /C calc'!A0",
    "\t=1+1",
    "line one\nHIGH a forged finding\r\n{}",
    "next\u2028line\x85end\x0b\x0c\x1c",
    "invoice\u202efdp.exe\u2066\u200b",
    "javascript:alert(1)",
    "lone \ud800 surrogate",
    "",
]


def printed(scan: ScanResult, *, width: int = 80, **options: Any) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system="truecolor", _environ={})
    show(scan, EN, console, **options)
    return out.getvalue()


def text_of(scan: ScanResult, form: str, *, reveal: bool = False, language: str = "en") -> str:
    return FORMS[form](scan, words_for(language), reveal)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


class Page(HTMLParser):
    """What a page is made of: its tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


# The same findings in every form


def test_every_form_has_a_function() -> None:
    assert set(FORMS) == {"table", "jsonl", "csv", "ecs", "html", "sarif", "timesketch"}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_carries_the_same_findings(form: str) -> None:
    scan = whole()
    text = text_of(scan, form)
    if form in ("jsonl", "ecs", "timesketch"):
        place = {"jsonl": ("id",), "ecs": ("event", "id"), "timesketch": ("finding_id",)}[form]
        ids = [reduce(getitem, place, line) for line in lines_of(text)]
        assert ids == [one.id for one in scan.findings]
    elif form == "csv":
        assert [row["event.id"] for row in rows_of(text)] == [one.id for one in scan.findings]
    elif form == "sarif":
        results = json.loads(text)["runs"][0]["results"]
        assert [one["partialFingerprints"]["kyberFindingId/v1"] for one in results] == [one.id for one in scan.findings]
    elif form == "html":
        ids = [attrs["id"] for attrs in Page(text).of("details") if attrs["class"] == "finding"]
        assert ids == [f"f-{one.id}" for one in scan.findings]
    for one in scan.findings:
        assert one.rule.title in text
    for value in ("WS-1", "WS-2", "10.1.2.3", "powershell -enc SQBFAFgA"):
        assert value in text


@pytest.mark.parametrize("form", FORMS)
def test_a_result_without_findings_has_every_form(form: str) -> None:
    text = text_of(result(blinds=(blind(1),), inputs=()), form)
    if form in ("table", "html"):
        assert "No rule matched." in text
        assert "This is not an all-clear: 1 rule could not look." in text
    elif form == "csv":
        assert rows_of(text) == []
        assert text.count("\n") == 1
    elif form == "sarif":
        assert json.loads(text)["runs"][0]["results"] == []
    else:
        assert text == ""


@pytest.mark.parametrize("form", FORMS)
def test_the_same_result_gives_the_same_text(form: str) -> None:
    assert text_of(whole(), form) == text_of(whole(), form)


# What each form says


def test_a_json_line_holds_all_that_is_known_of_a_finding() -> None:
    (line,) = lines_of(text_of(result(finding(7)), "jsonl"))
    assert line == {
        "id": f"{7:032x}",
        "rule": {
            "id": "id-encoded",
            "name": "encoded",
            "title": "Title of encoded",
            "hash": "ab" * 32,
            "path": "rules/security/encoded.yml",
        },
        "family": "security",
        "level": "high",
        "tags": ["attack.execution", "attack.t1059.001"],
        "count": 3,
        "first": "2026-03-02T08:15:30Z",
        "last": "2026-03-02T08:20:30Z",
        "group": {"host.name": "WS-1", "user.name": "anna", "source.ip": "10.1.2.3"},
        "evidence": [
            {
                "part": "selection",
                "field": "CommandLine",
                "column": "process.command_line",
                "value": "powershell -enc SQBFAFgA",
                "pattern": "* -enc *",
            }
        ],
        "sample": {
            "event_id": f"{8:032x}",
            "file": "logs/Security.evtx",
            "record": 17,
            "time": "2026-03-02T08:15:30Z",
            "fields": {"event.code": "4688", "process.command_line": "powershell -enc SQBFAFgA"},
        },
        "description": "An encoded command.\n  Attackers hide what they run.",
        "false_positives": ["Software deployment"],
        "references": ["https://example.org/encoded"],
        "next": {},
    }


def test_an_ecs_document_puts_each_thing_in_its_field() -> None:
    (line,) = lines_of(text_of(result(finding(7)), "ecs"))
    assert line["@timestamp"] == line["event"]["end"] == "2026-03-02T08:20:30Z"
    assert line["event"] | {"x": 1} == {
        "kind": "alert",
        "category": ["intrusion_detection"],
        "type": ["info"],
        "module": "kyber",
        "dataset": "kyber.findings",
        "id": f"{7:032x}",
        "start": "2026-03-02T08:15:30Z",
        "end": "2026-03-02T08:20:30Z",
        "created": "2026-03-05T06:00:00Z",
        "severity": 73,
        "x": 1,
    }
    assert line["rule"]["name"] == "Title of encoded"
    assert line["host"] == {"name": "WS-1"}
    assert line["user"] == {"name": "anna"}
    assert line["source"] == {"address": "10.1.2.3", "ip": "10.1.2.3"}
    assert line["threat"] == {
        "framework": "MITRE ATT&CK",
        "tactic": {"id": ["TA0002"], "name": ["Execution"]},
        "technique": {"id": ["T1059"], "subtechnique": {"id": ["T1059.001"]}},
    }
    assert {"field": "event.code", "value": "4688"} in line["kyber"]["sample"]["fields"]


def test_what_is_no_address_does_not_become_one_in_ecs() -> None:
    (line,) = lines_of(text_of(result(finding(group={"source.ip": "LOCAL"})), "ecs"))
    assert line["source"] == {"address": "LOCAL"}
    assert "host" not in line
    assert "related" not in line


def test_a_finding_without_a_time_is_stamped_with_the_scan_in_ecs() -> None:
    (line,) = lines_of(text_of(result(finding(first=None)), "ecs"))
    assert line["@timestamp"] == "2026-03-05T06:00:00Z"
    assert "start" not in line["event"]


def test_tags_are_read_as_attack_tactics_and_techniques() -> None:
    tags = ("attack.defense_evasion", "attack.stealth", "attack.defense-impairment", "attack.t1110", "attack.T1003.001")
    assert tactics(tags) == [
        ("TA0005", "Defense Evasion"),
        ("TA0005", "Stealth"),
        ("TA0112", "Defense Impairment"),
    ]
    assert techniques((*tags, "attack.g0007", "cve.2024.1", "attack.t1110")) == ["T1110", "T1003.001"]


def test_the_csv_has_a_header_and_a_row_a_finding() -> None:
    (row,) = rows_of(text_of(result(finding(7, group={"host.name": "WS-1", "service.name": "web"})), "csv"))
    assert tuple(row) == COLUMNS
    assert row["@timestamp"] == "2026-03-02T08:20:30Z"
    assert (row["host.name"], row["user.name"], row["kyber.group"]) == ("WS-1", "", "service.name=web")
    assert (row["kyber.level"], row["kyber.count"], row["threat.technique.id"]) == ("high", "3", "T1059.001")
    assert row["kyber.evidence"] == "CommandLine=powershell -enc SQBFAFgA"


def test_the_table_tells_the_summary_first_then_findings_by_level() -> None:
    text = COLOURS.sub("", printed(whole()))
    told = [
        "What was read",
        "2 inputs, 3.0 MB, 2,020 records",
        "7 records (F07 × 7)",
        "2026-03-02 08:15:30 – 2026-03-03 08:15:35 UTC",
        "20 ran: 3 found something, 17 found nothing",
        "6 rules could not look.",
        "4 findings, 12 events",
        "●●●●  Critical",
        "●●●● CRITICAL · 1 finding",
        "Memory of LSASS read",
        "WS-1 · anna · 10.1.2.3",
        "2026-03-02 08:15:30 – 08:20:30",
        "selection: CommandLine = powershell -enc SQBFAFgA  ← * -enc *",
        "●●●○ HIGH · 2 findings",
        "●○○○ LOW · 1 finding",
        "no host, user or address",
        "no time",
        "What could not be seen",
        "2 rules: they need a field that no event has",
        "ParentImage (2)",
        "Problems",
        "kyber.yaml:12  S02 warning: The matrix has 4 rows",
        "Change scales.likelihood",
    ]
    at = 0
    for part in told:
        assert part in text[at:], part
        at = text.index(part, at)


def test_long_lists_are_shortened_and_say_how_to_see_all() -> None:
    scan = result(
        *(finding(n, of=rule(f"r{n}")) for n in range(15)),
        *(finding(100 + n, level=Level.LOW, group={"host.name": f"host-{n}"}) for n in range(9)),
        blinds=tuple(blind(n) for n in range(30)),
    )
    short, full = COLOURS.sub("", printed(scan)), COLOURS.sub("", printed(scan, verbose=True))
    assert "… and 5 more rules" in short
    assert "… and 6 more findings of this rule" in short
    assert "… and 26 more" in short
    assert "--format jsonl" in short
    assert "host-8" not in short
    assert "more" not in full
    assert "host-8" in full
    assert "Title of blind29" in full


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_line_of_the_table_is_wider_than_the_terminal(width: int, verbose: bool) -> None:
    scan = result(finding(value="x" * 5_000, group={"host.name": "h" * 300}), *whole().findings, blinds=whole().blind)
    text = COLOURS.sub("", printed(scan, width=width, verbose=verbose))
    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_a_level_is_told_without_colour() -> None:
    text = text_of(whole(), "table")
    assert not COLOURS.search(text)
    assert "●●●● CRITICAL" in text


def test_a_value_is_shortened_around_what_the_rule_asks_for() -> None:
    value = "a" * 100 + " -EncodedCommand " + "b" * 100
    assert " -EncodedCommand " in excerpt(value, 40, "* -encodedcommand *")
    assert excerpt(value, 40).startswith("aaa")
    assert excerpt("short", 40) == "short"


@given(st.text(), st.integers(1, 50), st.text())
def test_an_excerpt_is_never_longer_than_asked_for(value: str, width: int, around: str) -> None:
    assert len(excerpt(value, width, around).strip("…")) <= width


# The page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_in_each_language(language: str) -> None:
    page = Page(text_of(whole(), "html", language=language))
    assert page.open == []
    assert page.of("html") == [{"lang": language}]
    assert words_for(language)("findings.page.title") in page.text
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(two - one <= 1 for one, two in pairwise(levels))
    assert len(page.of("table")) == len(page.of("caption"))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attrs.get(name) or "").split()) <= set(ids)
    assert not re.search(r"findings\.[a-z]|blind\.[a-z]", page.text)


def test_the_page_loads_nothing_and_allows_only_its_own_style() -> None:
    text = text_of(whole(), "html")
    style = text.split("<style>")[1].split("</style>")[0]
    policy = next(a["content"] for a in Page(text).of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not {"script", "img", "iframe", "object", "embed", "link", "form", "base"} & {t for t, _ in Page(text).tags}
    assert "url(" not in style
    assert "@import" not in style


def test_the_chart_has_a_title_a_description_and_the_same_numbers_as_a_table() -> None:
    page = Page(text_of(whole(), "html"))
    chart = next(attrs for attrs in page.of("svg") if attrs.get("role") == "img")
    assert chart["aria-labelledby"] == "chart-title chart-desc"
    assert page.of("desc")
    assert "1 finding has no time and is not in the chart." in page.text
    assert "2026-03-02 1 1 0 0 0 2" in page.text
    assert "2026-03-03 0 1 0 0 0 1" in page.text


def test_the_page_tells_findings_blind_rules_inputs_and_problems() -> None:
    text = Page(text_of(whole(), "html")).text
    for part in (
        "3 findings are critical or high: look into them first. 6 rules could not look.",
        "Memory of LSASS read",
        "An encoded command. Attackers hide what they run.",
        "2 rules: they need a field that no event has",
        "ParentImage × 2",
        "1 rule: something-new",
        "F07 × 7 · F20 × 4 · 1 record too long and cut · 2 records not in UTF-8",
        "The matrix has 4 rows, but there are 5 classes of likelihood.",
        "read as Europe/Helsinki",
        "Personal identity codes are masked.",
    ):
        assert part in text


def test_the_page_of_nothing_found_is_no_all_clear() -> None:
    text = Page(text_of(result(blinds=(blind(1),)), "html")).text
    assert "No rule matched. 1 rule could not look." in text


def test_a_reference_that_is_no_web_address_is_text() -> None:
    page = Page(text_of(result(finding(references=("javascript:alert(1)", "https://example.org/a"))), "html"))
    assert [a["href"] for a in page.of("a") if not (a["href"] or "").startswith("#")] == ["https://example.org/a"]
    assert "javascript:alert(1)" in page.text


@pytest.mark.parametrize("palette", ["light", "dark"])
def test_colours_of_text_have_enough_contrast(palette: str) -> None:
    style = text_of(result(), "html").split("<style>")[1].split("</style>")[0]
    block = style.split("@media (prefers-color-scheme: dark)")[palette == "dark"]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block.split("* {")[0]))
    pairs = [("text", "page"), ("text", "panel"), ("muted", "page"), ("muted", "panel"), ("accent", "panel")]
    pairs += [("top-text", "top"), ("top-muted", "top")]
    pairs += [("on-level", str(level)) for level in Level]
    for ink, paper in pairs:
        assert contrast(colours[ink], colours[paper]) >= 4.5, (ink, paper)
    for level in Level:  # columns of the chart, which are no text
        assert contrast(colours[str(level)], colours["panel"]) >= 3


def contrast(one: str, two: str) -> float:
    """The ratio of WCAG 2.2 between two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(two)))
    return (light + 0.05) / (dark + 0.05)


# Hostile texts


HONEST = Page(FORMS["html"](whole(), EN, True)).tags
ALLOWED_TAGS = {tag for tag, _ in HONEST}
ALLOWED_ATTRIBUTES = {name for _, attrs in HONEST for name in attrs}


def assert_harmless_page(text: str) -> None:
    page = Page(text)
    assert page.open == []
    assert {tag for tag, _ in page.tags} <= ALLOWED_TAGS
    assert {name for _, attrs in page.tags for name in attrs} <= ALLOWED_ATTRIBUTES
    assert all(re.match("#|https?://", attrs["href"] or "") for attrs in page.of("a"))
    assert len(page.of("style")) == 1
    assert not {unicodedata.category(letter) for letter in text} & {"Cf", "Cs", "Zl", "Zp"}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


def assert_harmless_print(text: str) -> None:
    shown = COLOURS.sub("", text).replace("\n", "")
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not [line for line in text.splitlines() if line.strip().startswith("HIGH a forged")]


def assert_harmless_lines(text: str) -> None:
    assert len(text.splitlines()) == 1
    assert not {unicodedata.category(letter) for letter in text[:-1]} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert isinstance(json.loads(text), dict)


def assert_harmless_rows(text: str) -> None:
    assert len(text.splitlines()) == 2
    (row,) = rows_of(text)
    assert set(row) == set(COLUMNS)
    for value in row.values():
        assert value.lstrip()[:1] not in tuple("=+-@\t\r")
        assert not re.search(r";[\s\"']*(?<!')[=+@-]", value)
    shown = text.replace("\n", "")
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("reveal", [False, True])
def test_hostile_texts_are_harmless_in_every_form(attack: str, reveal: bool) -> None:
    scan = hostile(attack)
    assert_harmless_page(text_of(scan, "html", reveal=reveal))
    assert_harmless_print(printed(scan, reveal=reveal))
    assert_harmless_print(printed(scan, reveal=reveal, verbose=True))
    assert_harmless_rows(text_of(scan, "csv", reveal=reveal))
    assert_harmless_lines(text_of(scan, "jsonl", reveal=reveal))
    assert_harmless_lines(text_of(scan, "ecs", reveal=reveal))
    assert_harmless_lines(text_of(scan, "timesketch", reveal=reveal))
    assert_harmless_lines(text_of(scan, "sarif", reveal=reveal))


def test_markup_is_shown_as_it_is() -> None:
    assert "[red]not red[/red]" in COLOURS.sub("", printed(hostile("[red]not red[/red]")))
    assert "[red]not red[/red]" in text_of(hostile("[red]not red[/red]"), "html")


@pytest.mark.parametrize("form", ["table", "csv", "html"])
def test_a_line_break_in_a_log_is_seen_as_one(form: str) -> None:
    assert "sudo\\nHIGH forged" in text_of(hostile("sudo\nHIGH forged"), form)


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec=None), max_size=40))
def test_no_text_breaks_out_of_the_page(text: str) -> None:
    assert_harmless_page(text_of(hostile(text), "html"))


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec=None), max_size=40), st.integers(40, 200))
def test_no_text_steers_the_terminal(text: str, width: int) -> None:
    assert_harmless_print(printed(hostile(text), width=width))


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec=None), max_size=40))
def test_no_text_forges_a_record(text: str) -> None:
    assert_harmless_rows(text_of(hostile(text), "csv"))
    assert_harmless_lines(text_of(hostile(text), "jsonl"))
    assert_harmless_lines(text_of(hostile(text), "ecs"))
    assert_harmless_lines(text_of(hostile(text), "timesketch"))
    assert_harmless_lines(text_of(hostile(text), "sarif"))


# Personal identity codes


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("around", ["{}", "C:\\x\\{}.pdf", "user {} read", "{}\u202e", "%20{}%20", "[{}]"])
def test_identity_codes_are_masked_wherever_they_stand(form: str, around: str) -> None:
    text = text_of(hostile(around.format(CODE)), form)
    assert CODE not in text
    assert CODE[:6] not in text
    assert MASK in text


@pytest.mark.parametrize("form", FORMS)
def test_identity_codes_are_shown_to_who_asks_for_them(form: str) -> None:
    scan = hostile(f"user {CODE} read")
    assert CODE in text_of(scan, form, reveal=True)
    assert MASK not in text_of(scan, form, reveal=True)


def test_the_terminal_masks_identity_codes_before_it_shortens_a_value() -> None:
    for room in range(60, 100):
        text = COLOURS.sub("", printed(result(finding(value="x" * room + f" {CODE} " + "y" * 100))))
        assert CODE[:6] not in text.replace("\n", "")


def test_the_page_says_when_codes_are_not_masked() -> None:
    assert "are not masked: handle this page accordingly" in text_of(whole(), "html", reveal=True)


# The catalogues


@pytest.mark.parametrize("domain", ["findings", "blind"])
def test_each_language_has_the_same_texts_with_the_same_places(domain: str) -> None:
    english = catalogue("en", domain)
    for language in LANGUAGES:
        texts = catalogue(language, domain)
        assert set(texts) == set(english)
        for key, forms in texts.items():
            assert len(forms) == len(english[key])
            assert {*re.findall(r"{\w+}", forms[-1])} - {"{n}"} == {*re.findall(r"{\w+}", english[key][-1])} - {"{n}"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", FORMS)
def test_no_form_lacks_a_word_in_any_language(language: str, form: str) -> None:
    scan = result(
        *whole().findings,
        blinds=whole().blind,
        inputs=(account(first=None, last=None),),
        problems=whole().problems,
    )
    assert text_of(scan, form, language=language)  # a missing word is a warning, and so an error here


# In the reader's language


@pytest.mark.parametrize("form", ["table", "html"])
def test_a_rule_that_has_a_title_and_advice_in_the_readers_language_speaks_it(form: str) -> None:
    titled = replace(rule("backup", "Backup failed"), titles={"fi": "Varmuuskopio puuttuu"})
    one = replace(finding(1, of=titled), next={"fi": "Aja se uudelleen.", "en": "Run it again."})
    finnish, swedish = (FORMS[form](result(one), words_for(language), False) for language in ("fi", "sv"))
    assert "Varmuuskopio puuttuu" in finnish
    assert "Seuraavaksi: Aja se uudelleen." in re.sub("<[^>]*>", "", finnish)
    assert "Backup failed" in swedish
    assert "Härnäst" not in swedish
