import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from kyber.digest import Digest, Silence, Unread
from kyber.level import Level
from kyber.problem import Place, Problem
from kyber.render import digest as render
from kyber.text import LANGUAGES, Words, words_for
from tests.render.results import CODE, finding, rule

NOW = datetime(2026, 11, 4, 2, 41, tzinfo=UTC)
LSASS = rule("lsass", "Memory of LSASS read")
FORMS: tuple[Callable[[Digest, Words], str], ...] = (render.subject, render.text, render.html, render.json)


def digest(**changes: object) -> Digest:
    whole = Digest(
        id="ab" * 16,
        organisation="Esimerkkilä",
        owners=("Chief", "Keeper"),
        time=NOW,
        since=NOW - timedelta(days=1),
        new=(finding(1, level=Level.CRITICAL, of=LSASS), finding(2), finding(3, group={}, first=None)),
        open=(finding(4, of=rule("old", "Something old")),),
        silent=(Silence("backup", "Backup", NOW - timedelta(days=3), "2 d"), Silence("emr", "Records", None, "1 d")),
        unread=(Unread("backup", Problem(Place("logs/backup.log"), "F02", {"why": "Permission denied"})),),
        keys=(),
        news=True,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


QUIET = digest(new=(), open=(), silent=(), unread=(), since=None, owners=())


class Page(HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_text_says_what_is_new_open_silent_and_unread_level_by_level() -> None:
    assert render.text(digest(), words_for("en")).splitlines() == [
        "Esimerkkilä – kyber",
        "For: Chief, Keeper",
        "2026-11-04 02:41:00 UTC; new since 2026-11-03 02:41:00 UTC",
        "",
        "3 new findings",
        "--------------",
        "",
        "CRITICAL: 1",
        "  Memory of LSASS read",
        "    WS-1 · anna · 10.1.2.3, 3 events, 2026-03-02 08:15:30 – 08:20:30 UTC",
        "      kyber findings show 00000000000000000000000000000001",
        "",
        "HIGH: 2",
        "  Title of encoded",
        "    WS-1 · anna · 10.1.2.3, 3 events, 2026-03-02 08:15:30 – 08:20:30 UTC",
        "      kyber findings show 00000000000000000000000000000002",
        "    no host, user or address, 3 events, no time",
        "      kyber findings show 00000000000000000000000000000003",
        "",
        "1 serious finding still open",
        "----------------------------",
        "",
        "HIGH: 1",
        "  Something old",
        "    WS-1 · anna · 10.1.2.3, 3 events, 2026-03-02 08:15:30 – 08:20:30 UTC",
        "      kyber findings show 00000000000000000000000000000004",
        "",
        "2 log sources are silent",
        "------------------------",
        "  Backup (backup): the last event is from 2026-11-01 02:41:00 UTC; one is expected every 2 d",
        "  Records (emr): no event has been read; one is expected every 1 d",
        "",
        "1 thing could not be read",
        "-------------------------",
        "  logs/backup.log (backup): F02 The file or folder cannot be opened: Permission denied.",
        "    Check that it is still there, and that the account that runs kyber may read it.",
        "",
        "From kyber. Personal identity codes are masked. Decide about a finding with: kyber findings",
    ]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "en",
            "kyber: 3 new findings (1 critical, 2 high), 1 still open, 2 silent log sources, 1 thing unread",
        ),
        (
            "fi",
            "kyber: 3 uutta havaintoa (1 kriittinen, 2 korkeaa), 1 yhä avoinna, 2 hiljaista lokilähdettä, 1 lukematta",
        ),
        (
            "sv",
            "kyber: 3 nya fynd (1 kritiskt, 2 höga), 1 fortfarande öppet, 2 tysta loggkällor, 1 oläst",
        ),
    ],
)
def test_the_subject_counts(language: str, expected: str) -> None:
    assert render.subject(digest(), words_for(language)) == f"{expected} – Esimerkkilä"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_digest_of_nothing_says_so(language: str) -> None:
    words = words_for(language)
    assert words("digest.nothing") in render.subject(QUIET, words)
    for form in (render.text, render.html):
        assert words("digest.nothing-at-all") in form(QUIET, words)
    assert words("digest.nothing-at-all") not in render.text(digest(), words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_says_what_the_text_says_and_loads_and_runs_nothing(language: str) -> None:
    words = words_for(language)
    page = Page(render.html(digest(), words))
    shown = " ".join(" ".join(page.texts).split()).casefold()
    for line in render.text(digest(), words).splitlines()[1:]:
        if line.strip("- ") and not re.fullmatch(r"[^ ].*: \d+", line):
            assert " ".join(line.split()).casefold() in shown, line
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "h4"),
        *("p", "ul", "li", "span", "code", "br"),
    }
    assert not any(name in attributes for _, attributes in page.tags for name in ("src", "href", "style", "onclick"))
    assert ("html", {"lang": language}) in page.tags


def test_a_long_digest_is_shortened_and_says_how_much_there_is_more() -> None:
    many = tuple(finding(number, of=rule(f"r{number % 12}")) for number in range(120))
    unread = tuple(Unread("x", Problem(Place(f"logs/{number}.log"), "F01")) for number in range(50))
    made = digest(new=many, open=(), silent=(), unread=unread)
    text = render.text(made, words_for("en"))
    assert text.count("kyber findings show") == 30
    assert text.count("… and 7 more findings of this rule") == 10
    assert "… and 2 more rules" in text
    assert "… and 30 more problems" in text
    assert "120 new findings" in text
    assert "50 things could not be read" in text
    assert len(json.loads(render.json(made, words_for("en")))["new"]) == 120


def hostile(text: str) -> Digest:
    bad = replace(finding(1, of=rule(text, text), group={"host.name": text}), id="ab" * 16)
    return digest(
        organisation=text,
        owners=(text,),
        new=(bad,),
        open=(replace(bad, id="cd" * 16),),
        silent=(Silence("backup", text, None, text),),
        unread=(Unread("backup", Problem(Place(text), "F02", {"why": text})),),
    )


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_identity_codes_are_masked_in_every_form(form: Callable[[Digest, Words], str]) -> None:
    shown = form(hostile(f"anna {CODE}"), words_for("fi"))
    assert CODE not in shown
    assert "******-****" in shown


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\r\nBcc: eve@evil.example", "\u202etxt.exe", "a\x00b", "\udcff"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_hostile_text_steers_nothing(form: Callable[[Digest, Words], str], text: str) -> None:
    shown = form(hostile(text), words_for("en"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]", shown)
    assert not any(line.startswith("Bcc") for line in shown.splitlines())
    assert "\n" not in shown or form in (render.text, render.html)


def test_markup_in_a_title_is_text_in_the_page() -> None:
    page = Page(render.html(hostile("<script>alert(1)</script><a href=x>"), words_for("en")))
    assert not {"script", "a"} & {tag for tag, _ in page.tags}
    assert any("<script>alert(1)</script>" in text for text in page.texts)


def test_ids_of_findings_are_whole_even_where_they_look_like_an_identity_code() -> None:
    odd = CODE.replace("-", "A") + "0" * 21
    assert f"kyber findings show {odd}" in render.text(digest(new=(replace(finding(), id=odd),)), words_for("en"))


def test_the_record_holds_every_part() -> None:
    found = json.loads(render.json(digest(), words_for("en")))
    assert found["id"] == "ab" * 16
    assert [one["level"] for one in found["new"]] == ["critical", "high", "high"]
    assert found["new"][0] == {
        "id": "00000000000000000000000000000001",
        "level": "critical",
        "family": "security",
        "rule": "id-lsass",
        "title": "Memory of LSASS read",
        "group": {"host.name": "WS-1", "user.name": "anna", "source.ip": "10.1.2.3"},
        "count": 3,
        "first": "2026-03-02T08:15:30Z",
        "last": "2026-03-02T08:20:30Z",
    }
    assert found["silent"][1] == {"source": "emr", "name": "Records", "last": None, "expected_every": "1 d"}
    assert found["unread"][0]["code"] == "F02"
    assert (found["time"], found["since"], found["news"]) == ("2026-11-04T02:41:00Z", "2026-11-03T02:41:00Z", True)
