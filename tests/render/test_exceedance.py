import re
from itertools import pairwise
from math import log10
from xml.etree import ElementTree

import pytest

from kyber.render.amounts import money, percent, rounded
from kyber.render.exceedance import Panel, svg
from kyber.text import LANGUAGES, words_for

SVG = "{http://www.w3.org/2000/svg}"
CURVE = ((1_000.0, 0.8), (50_000.0, 0.1), (250_000.0, 0.05), (2_000_000.0, 0.01), (9_000_000.0, 0.001))
PANEL = Panel(
    currency="EUR",
    expected=123_456.0,
    marks=((0.1, 50_000.0), (0.05, 250_000.0), (0.01, 2_000_000.0)),
    curve=CURVE,
    with_controls=((500.0, 0.4), (40_000.0, 0.01), (80_000.0, 0.001)),
)
BARE = Panel(currency="SEK", expected=5.0, marks=((0.1, 0.0), (0.05, 0.0), (0.01, 0.0)), curve=())


def drawn(*panels: Panel, title: str = "Losses", language: str = "en") -> ElementTree.Element:
    return ElementTree.fromstring(svg(panels, title, words_for(language)))


def texts(root: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in root.iter(f"{SVG}text")]


def lines(root: ElementTree.Element) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), float(y)) for x, y in (point.split(",") for point in one.attrib["points"].split())]
        for one in root.iter(f"{SVG}polyline")
    ]


def test_the_picture_has_a_title_and_says_in_words_what_it_shows() -> None:
    root = drawn(PANEL)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-labelledby"].split() == [root[0].attrib["id"], root[1].attrib["id"]]
    assert (root[0].tag, root[0].text) == (f"{SVG}title", "Losses")
    assert root[1].tag == f"{SVG}desc"
    assert root[1].text == (
        "Expected loss of a year: 123,000\N{NO-BREAK SPACE}EUR."
        " With a chance of 10%, the loss of a year exceeds 50,000\N{NO-BREAK SPACE}EUR."
        " With a chance of 5%, the loss of a year exceeds 250,000\N{NO-BREAK SPACE}EUR."
        " With a chance of 1%, the loss of a year exceeds 2 million\N{NO-BREAK SPACE}EUR."
    )


@pytest.mark.parametrize(
    ("language", "share", "amount", "millions"),
    [
        ("en", "0.5%", "100,000", "10 million"),
        ("fi", "0,5 %", "100 000", "10 milj."),
        ("sv", "0,5 %", "100 000", "10 mn"),
    ],
)
def test_words_and_numbers_are_those_of_the_language(language: str, share: str, amount: str, millions: str) -> None:
    root = drawn(PANEL, language=language)
    assert root.attrib["lang"] == language
    shown = [text.replace("\N{NO-BREAK SPACE}", " ") for text in texts(root)]
    assert {share, amount, millions} <= set(shown)
    assert words_for(language)("quantify.with-all") in shown


def test_both_axes_are_logarithmic_and_ticks_are_where_the_curve_is() -> None:
    root = drawn(PANEL)
    at = {one.text: (float(one.attrib["x"]), float(one.attrib["y"])) for one in root.iter(f"{SVG}text")}
    decades = [at[text][0] for text in ("1,000", "10,000", "100,000", "1 million", "10 million")]
    steps = {round(after - before, 0) for before, after in pairwise(decades)}
    assert len(steps) == 1
    assert at["10%"][1] - at["100%"][1] == pytest.approx(at["0.1%"][1] - at["1%"][1], abs=0.2)
    start, *bare = lines(root)[1]
    assert bare[0][0] == decades[0]
    assert start[1] == bare[0][1]  # any loss at all is as likely as the smallest one
    assert bare[1] == pytest.approx((decades[1] + (decades[2] - decades[1]) * log10(5), at["10%"][1] - 4), abs=0.2)
    assert bare[-1][1] == pytest.approx(at["0.1%"][1] - 4, abs=0.2)


def test_lines_differ_by_their_strokes_and_not_by_colour_alone() -> None:
    first, second = drawn(PANEL).iter(f"{SVG}polyline")
    assert {first.get("stroke-dasharray"), second.get("stroke-dasharray")} == {None, "7 4"}


def test_a_curve_falls_and_stays_within_its_axes() -> None:
    for line in lines(drawn(PANEL)):
        assert line == sorted(line, key=lambda point: (point[0], point[1]))
        assert all(78 <= x <= 712 and 104 <= y <= 364 for x, y in line)


def test_each_currency_has_a_panel_of_its_own_below_the_other() -> None:
    root = drawn(PANEL, BARE)
    moved = [one.attrib["transform"] for one in root.iter(f"{SVG}g")]
    assert moved == ["translate(0 0)", "translate(0 430)"]
    assert root.attrib["viewBox"] == "0 0 760 860"
    assert [text for text in texts(root) if text.startswith("Losses")] == ["Losses (EUR)", "Losses (SEK)"]


def test_what_is_too_rare_to_be_drawn_is_said() -> None:
    root = drawn(BARE)
    assert "A loss comes too seldom to be drawn." in texts(root)
    assert lines(root) == []
    assert "exceeds" not in (root[1].text or "")


def test_losses_too_small_for_the_axis_are_left_out_and_still_counted() -> None:
    curve = ((0.02, 0.9), (0.5, 0.6), (30.0, 0.1), (90.0, 0.001))
    (line,) = lines(drawn(Panel(currency="EUR", expected=1.0, marks=(), curve=curve)))
    assert len({x for x, _ in line}) == len(line) == 3
    (small,) = lines(drawn(Panel(currency="EUR", expected=1.0, marks=(), curve=curve[1:])))
    assert small == line


def test_amounts_on_the_axis_do_not_run_into_each_other() -> None:
    for highest in (1e3, 1e6, 1e9, 1e12, 1e15):
        curve = ((highest / 1e6, 0.9), (highest, 0.001))
        root = drawn(Panel(currency="EUR", expected=1.0, marks=(), curve=curve))
        ticks = [one for one in root.iter(f"{SVG}text") if one.get("text-anchor") == "middle"]
        for one, other in pairwise(ticks):
            room = float(other.attrib["x"]) - float(one.attrib["x"])
            assert room > 6 * (len(one.text or "") + len(other.text or "")) / 2


@pytest.mark.parametrize("loss", [0.001, 0.5, 1.0, 777.0, 1e15])
def test_a_loss_that_is_always_the_same_is_a_step(loss: float) -> None:
    panel = Panel(currency="EUR", expected=loss, marks=((0.1, loss),), curve=((loss, 0.2), (loss, 0.001)))
    (line,) = lines(drawn(panel))
    assert line[-1][0] == line[-2][0]


def test_nothing_in_a_title_becomes_markup_steers_or_grows_out_of_the_picture() -> None:
    title = '</title><script>alert(1)</script>"\u202e' + "x" * 200
    root = drawn(PANEL, title=title)
    assert {one.tag for one in root.iter()} <= {SVG + name for name in (
        "svg", "title", "desc", "rect", "g", "text", "path", "polyline", "circle")}  # fmt: skip
    assert "\\u202e" in (root[0].text or "")
    assert max(map(len, texts(root))) < 90
    assert "href" not in svg([PANEL], title, words_for("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_curves_give_the_same_picture(language: str) -> None:
    words = words_for(language)
    assert svg([PANEL, BARE], "T", words) == svg([PANEL, BARE], "T", words)
    assert not re.search(
        r"nan|inf|e[+-]\d", " ".join(re.findall(r'(?:points|x|y|d)="([^"]*)"', svg([PANEL], "T", words)))
    )


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0.0, "0"),
        (0.26, "0.3"),
        (9.0, "9"),
        (99.94, "99.9"),
        (99.96, "100"),
        (1234.5, "1,230"),
        (1_987_654.0, "1,990,000"),
    ],
)
def test_an_estimate_has_three_figures(amount: float, expected: str) -> None:
    assert rounded(amount, words_for("en")) == expected


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(999_499.0, "999,000"), (999_500.0, "1 million"), (4_370_000.0, "4.4 million"), (1e9, "1,000 million")],
)
def test_millions_are_said_as_such_where_there_is_little_room(amount: float, expected: str) -> None:
    assert money(amount, words_for("en")) == expected


@pytest.mark.parametrize(
    ("share", "english", "finnish"),
    [
        (0, "0%", "0 %"),
        (0.0015, "0.15%", "0,15 %"),
        (0.042, "4.2%", "4,2 %"),
        (0.0997, "10%", "10 %"),
        (1, "100%", "100 %"),
    ],
)
def test_a_share_is_said_as_per_cent(share: float, english: str, finnish: str) -> None:
    assert percent(share, words_for("en")) == english
    assert percent(share, words_for("fi")).replace("\N{NO-BREAK SPACE}", " ") == finnish
