"""Pages in a real browser: judged by axe-core, used with the keyboard, printed."""

import re
from io import BytesIO
from pathlib import Path
from unicodedata import normalize

import pytest
from pypdf import PdfReader

from kyber.document import Document
from kyber.render import document_html
from kyber.render.document_json import loads
from kyber.text import LANGUAGES, words_for
from tests.browser import RULES, Browser, Page
from tests.render.documents import report
from tests.render.pages import pages

SITE = ("actions", "clock", "controls", "dependencies", "index", "plans", "risks", "rules", "services")
OTHERS = (
    *(f"findings-{language}" for language in LANGUAGES),
    *(f"card-{language}" for language in LANGUAGES),
    *("findings-bad", "tasks", "digest"),
    *(f"site/{name}" for name in SITE),
)
A4 = 688
"""Pixels between the margins of a page."""
LEAST = 7
"""Points of the smallest letters of a first page."""

CONTRASTS = """
(() => {
  const light = colour => {
    const part = colour.match(/[\\d.]+/g).slice(0, 3).map(n => n / 255)
      .map(n => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const seen = [];
  for (const svg of document.querySelectorAll('svg[role=img]')) {
    const behind = [];
    for (const one of svg.querySelectorAll('rect, circle, path, ellipse, polygon, text')) {
      const style = getComputedStyle(one);
      if (one.closest('defs')) continue;
      if (one.tagName !== 'text') { if (style.fill.startsWith('rgb(')) behind.push([one, style.fill]); continue; }
      if (!one.textContent.trim()) continue;
      const box = one.getBoundingClientRect();
      const at = new DOMPoint(box.x + box.width / 2, box.y + box.height / 2);
      const under = behind.findLast(([shape]) => {
        const there = at.matrixTransform(shape.getScreenCTM().inverse());
        const point = svg.createSVGPoint();
        [point.x, point.y] = [there.x, there.y];
        return shape.isPointInFill(point);
      });
      const both = [light(style.fill), light(under ? under[1] : 'rgb(255, 255, 255)')].sort((a, b) => b - a);
      seen.push([(both[0] + 0.05) / (both[1] + 0.05), one.textContent]);
    }
  }
  return seen;
})()
"""


@pytest.fixture(scope="session")
def made(browser: Browser, run_folder: Path) -> Path:
    return pages(run_folder)


def reported(made: Path, language: str) -> Document:
    return loads((made / f"report-{language}.json").read_bytes(), "report.json")


def bare(text: str) -> str:
    """A text without blanks, and with letters for ligatures."""
    return re.sub(r"\s+", "", normalize("NFKC", text))


@pytest.mark.parametrize("name", [*(f"report-{language}" for language in LANGUAGES), "report-bad"])
def test_axe_finds_nothing_wrong_in_a_report_light_or_dark_wide_or_narrow(
    browser: Browser, axe: str, made: Path, name: str
) -> None:
    with browser.page(made / f"{name}.html") as page:
        for width, schemes in ((1280, ("light", "dark")), (360, ("dark", "light"))):
            page.resize(width)
            for scheme in schemes if name == "report-fi" else schemes[:1]:
                page.look(scheme)
                found = page.judged(axe, RULES if name == "report-bad" else (*RULES, "best-practice"))
                assert not found.violations, "\n".join(found.violations)
                assert {one.split()[0] for one in found.incomplete} <= {"color-contrast"}  # pictures: see below
                assert {"color-contrast", "target-size", "scrollable-region-focusable"} <= found.passed
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("name", OTHERS)
def test_axe_finds_nothing_wrong_in_any_other_page(browser: Browser, axe: str, made: Path, name: str) -> None:
    with browser.page(made / f"{name}.html") as page:
        wide = page.judged(axe, (*RULES, "best-practice"))
        page.resize(360)
        page.look("dark")
        narrow = page.judged(axe)
        for found in (wide, narrow):
            assert not found.violations, "\n".join(found.violations)
            assert found.passed >= {"color-contrast", "document-title", "html-has-lang"}


def test_axe_notices_a_mistake(browser: Browser, axe: str, made: Path, tmp_path: Path) -> None:
    page = (made / "report-en.html").read_text()
    page = page.replace('<html lang="en">', "<html>").replace("--text: #18212c", "--text: #cccccc")
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    wrong = tmp_path / "wrong.html"
    wrong.write_text(page)
    with browser.page(wrong) as opened:
        found = {one.split()[0] for one in opened.judged(axe).violations}
    assert {"html-has-lang", "color-contrast"} <= found


@pytest.mark.parametrize("name", [*(f"report-{language}" for language in LANGUAGES), "site/risks", "site/dependencies"])
def test_texts_in_pictures_can_be_told_from_what_is_behind_them(browser: Browser, made: Path, name: str) -> None:
    with browser.page(made / f"{name}.html") as page:
        seen = page.evaluate(CONTRASTS)
        assert len(seen) > 50
        assert [(round(ratio, 1), text) for ratio, text in seen if ratio < 4.5] == []


def test_tab_reaches_the_link_to_the_content_first_and_it_leads_there(browser: Browser, made: Path) -> None:
    with browser.page(made / "report-fi.html", bypass=False) as page:
        page.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().width") > 50
        page.press("Enter")
        assert page.evaluate("[location.hash, document.activeElement.id]") == ["#content", "content"]


def test_every_table_that_can_be_moved_is_reached_with_the_keyboard_and_seen_to_be(
    browser: Browser, made: Path
) -> None:
    with browser.page(made / "report-fi.html", width=360, bypass=False) as page:
        count = page.evaluate(
            "(window.regions = [...document.querySelectorAll('.scroll')]).length"
            " && [...document.querySelectorAll('*')].filter(one => one.scrollWidth > one.clientWidth"
            " && getComputedStyle(one).overflowX === 'auto').every(one => one.tabIndex === 0) * regions.length"
        )
        assert count > 10
        for at in range(count):
            page.evaluate(
                f"(() => {{ const one = document.createElement('a'); one.href = '#'; regions[{at}].before(one);"
                " one.focus(); })()"
            )
            page.press("Tab")
            assert page.evaluate(
                f"document.activeElement === regions[{at}] && regions[{at}].matches(':focus-visible')"
                f" && getComputedStyle(regions[{at}]).outlineStyle"
            ) == "solid"  # fmt: skip
            page.evaluate("document.activeElement.previousElementSibling.remove()")


@pytest.mark.parametrize("name", ["report-fi", "report-bad", *OTHERS])
def test_a_page_asks_for_nothing_and_runs_nothing(browser: Browser, made: Path, name: str) -> None:
    file = made / f"{name}.html"
    with browser.page(file, bypass=False) as page:
        assert page.requests() == [file.as_uri()]
        assert page.complaints() == []
        assert page.evaluate(
            "document.scripts.length + document.querySelectorAll('link, img, iframe, object, embed, form').length"
        ) == 0  # fmt: skip


def test_the_policy_of_a_report_stops_what_would_be_loaded(browser: Browser, made: Path) -> None:
    with browser.page(made / "report-fi.html", bypass=False) as page:
        page.evaluate(
            "new Promise(done => { const one = new Image(); one.onerror = one.onload = done;"
            " one.src = 'http://127.0.0.1:9/x.png'; document.body.append(one); })"
        )
        assert any("Content Security Policy" in one for one in page.complaints())


def printed(page: Page) -> list[str]:
    """The text of each page of paper, without blanks."""
    return [bare(one.extract_text()) for one in PdfReader(BytesIO(page.pdf())).pages]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_page_is_one_page_of_paper_and_the_annexes_begin_on_the_next(
    browser: Browser, made: Path, language: str
) -> None:
    words, document = words_for(language), reported(made, language)
    with browser.page(made / f"report-{language}.html", dark=True) as page:
        sheets = printed(page)
        page.look("light", "print")
        page.resize(A4)
        smallest = page.evaluate(
            "Math.min(...[...document.querySelectorAll('.first *, header *')].filter(one => [...one.childNodes].some("
            "text => text.nodeType === 3 && text.textContent.trim()) && !one.closest('title, desc, details')).map("
            "one => parseFloat(getComputedStyle(one).fontSize) * (one.ownerSVGElement"
            " ? one.ownerSVGElement.getBoundingClientRect().width / one.ownerSVGElement.viewBox.baseVal.width : 1)))"
        )
        split = page.evaluate(
            "[...document.querySelectorAll('.whole')].filter(one => one.getClientRects().length > 1).length"
        )
    assert len(sheets) > 8
    for section in document.sections:
        assert bare(section.title) in (sheets[0] if section.place == "first" else "".join(sheets[1:]))
    assert bare(words("document.annexes")) in sheets[1][:200]
    assert bare(words("document.last")) in sheets[-1]
    assert smallest * 0.75 >= LEAST - 0.01
    assert not split


@pytest.mark.parametrize("risks", [3, 41])
def test_a_made_up_report_has_its_first_page_on_one_sheet(browser: Browser, tmp_path: Path, risks: int) -> None:
    for language in LANGUAGES:
        document = report(language, risks=risks)
        file = tmp_path / f"{language}.html"
        file.write_text(document_html.page(document))
        with browser.page(file) as page:
            sheets = printed(page)
        assert all(bare(one.title) in sheets[0] for one in document.sections if one.place == "first")
        assert bare(words_for(language)("document.annexes")) in sheets[1][:200]


@pytest.mark.parametrize("name", ["card-fi", "findings-fi", "tasks", "digest", "site/index"])
def test_other_pages_can_be_printed(browser: Browser, made: Path, name: str) -> None:
    with browser.page(made / f"{name}.html") as page:
        heading = page.evaluate("document.querySelector('h1').textContent")
        assert bare(heading) in printed(page)[0]
