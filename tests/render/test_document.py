import re
from dataclasses import replace
from itertools import pairwise

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from kyber.document import Block, Bullets, Chart, Column, Paragraph, Piece, Section, Table, row
from kyber.render.document_html import page
from kyber.render.document_json import DocumentError, dumps, loads
from kyber.render.heatmap import HeatMap, Move, small_svg, svg
from kyber.render.picture import clean, size
from kyber.render.placed import SIZES, fullness, page_height
from tests.render.documents import filled, matrix, report
from tests.render.test_printout import HOSTILE, Seen


def _used(many: int, times: int) -> str:
    """Parts that each use the one before so many times."""
    parts = (f'<g id="g{n}">{f"""<use href="#g{n - 1}"/>""" * times}</g>' for n in range(1, many))
    return f'<g id="g0"><rect/></g>{"".join(parts)}'


XMLNS = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
MARKER = f"<marker id='m'>{'<rect/>' * 500}</marker>"
USED_A = "<use href='#a'/>"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_report_reads_back_from_json_as_it_was(text: str) -> None:
    document = filled(text)
    assert loads(dumps(document), "report.json") == document


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"[" * 10_000, "not JSON"),
        (b"{}", "not a report of kyber"),
        (b'{"format": "kyber-report"}', "without a version"),
        (dumps(report()).replace(b'"version":1', b'"version":2'), "update it"),
        (dumps(report()).replace(b'"place":"annex"', b'"place":"nowhere"'), "place"),
        (dumps(replace(report(), language="de")), "language"),
    ],
)
def test_what_is_no_report_or_a_newer_one_is_refused_with_a_reason(content: bytes, said: str) -> None:
    with pytest.raises(DocumentError, match=said) as refused:
        loads(content, "report.json")
    assert str(refused.value).startswith("report.json: ")


def _with(*blocks: Block, **more: str) -> bytes:
    return dumps(replace(report(), sections=(Section(id="a", title="A", place="first", blocks=blocks),), **more))


def _weighing(*weights: int) -> Table:
    return Table(title="T", columns=tuple(Column("h", weight=one) for one in weights), rows=(row(*"x" * len(weights)),))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_with(_weighing()), "a table without columns"),
        (_with(_weighing(*[1] * 101)), "more than 100, in a"),
        (_with(_weighing(-1, 1)), "weight"),
        (_with(_weighing(1, 99)).replace(b'"weight":99', b'"weight":1' + b"0" * 400), "weight"),
        (_with(replace(_weighing(1), rows=(row("x", "y"),))), "a row that is longer or shorter"),
        (_with(replace(_weighing(1), empty="x" * 20_001)), "20,000 letters"),
        (_with(Paragraph((Piece("ab" * 1_000_000),), "lead")), "20,000 letters"),
        (_with(Paragraph((Piece("x" * 20_000),) * 11)), "a line of more than"),
        (_with(Bullets(((Piece("x"),) * 10_001,))), "10,000 pieces"),
        (_with(*[Bullets(((Piece("x"),),) * 10_000)] * 26), "more than 500,000"),
        (_with(Chart(title="T", svg="", described="x" * 500_001)), "a picture"),
        (_with(title="x" * 20_001), "head"),
        (_with(label="x" * 20_001), "head"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_no_report_of_kyber_has_and_what_no_form_can_hold_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(DocumentError, match=said) as refused:
        loads(content, "report.json")
    assert str(refused.value).startswith("report.json: ")
    assert len(str(refused.value)) < 100


@pytest.mark.parametrize("text", [*HOSTILE, "]]>", 'x" onclick="alert(1)', "x" * 5_000])
def test_a_hostile_text_is_shown_in_the_page_and_never_markup(text: str) -> None:
    loud, quiet = Seen(page(filled(text))), Seen(page(filled("Teksti")))
    assert loud.tags() == quiet.tags()
    assert all(not name.startswith("on") and name != "style" for _, found in loud.elements for name in found)
    ids = [found["id"] for _, found in loud.elements if "id" in found]
    assert len(ids) == len(set(ids))
    links = {found["href"] for tag, found in loud.elements if tag == "a"}
    assert links <= {f"#{one}" for one in ids}


def test_a_page_loads_nothing_and_small_screens_do_not_shape_paper() -> None:
    seen = Seen(page(report()))
    assert seen.tags().isdisjoint({"script", "link", "img", "iframe", "object", "form"})
    assert not re.search(r"url\(|@import", seen.style)
    assert not re.search(r"@media \(max-width", seen.style)


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<foreignObject><b>x</b></foreignObject>",
        '<a href="http://a.example"><text>x</text></a>',
        '<image href="http://a.example/x.png"/>',
        '<use href="http://a.example/x.svg#a"/>',
        '<use xlink:href="data:image/svg+xml,x"/>',
        '<rect onload="alert(1)" style="fill:url(http://a.example)" class="top"/>',
        '<rect fill="url(http://a.example#a)" filter="url(#a)"/>',
        '<rect fill="u\\72l(x)"/>',
        "<style>@import 'x'</style>",
        '<animate attributeName="href" to="javascript:alert(1)"/>',
        '<set attributeName="fill" to="red"/>',
        '<b xmlns="http://www.w3.org/1999/xhtml">x</b>',
        "<svg><script>x</script></svg>",
    ],
)
def test_what_a_picture_could_load_or_run_is_taken_out(inside: str) -> None:
    made = clean(f"<svg {XMLNS} viewBox='0 0 9 9' onload='x()'>{inside}<text>kept</text></svg>", "p-", "t", "d")
    assert not re.search(r"example|script|alert|onload|style|class|import|data:|animate|<b|<a|image |u\\72", made)
    assert "<text>kept</text>" in made


@pytest.mark.parametrize(
    "svg",
    [
        "",
        "no picture",
        "<html/>",
        "<svg/>",
        f'<!DOCTYPE svg [<!ENTITY a "b">]><svg {XMLNS}>&a;</svg>',
        f"<svg {XMLNS}>" + "<g>" * 100_000 + "</g>" * 100_000 + "</svg>",
        f"<svg {XMLNS}>" + "<g>" * 32 + "</g>" * 32 + "</svg>",
        f"<svg {XMLNS}><g id='a'><use href='#a'/><use href='#a'/></g></svg>",
        f"<svg {XMLNS}><g id='a'><rect fill='url(#b)'/></g><pattern id='b'><use href='#a'/></pattern></svg>",
        f"<svg {XMLNS}>{_used(9, 10)}</svg>",
        f"<svg {XMLNS}>{_used(10_000, 1)}</svg>",
        f"<svg {XMLNS}>{MARKER}<path d='M0 0{'L1 1' * 20_000}' marker-mid='url(#m)'/></svg>",
        f"<svg {XMLNS}>{MARKER}<g marker-mid='url(#m)'><polyline points='{'1 1 ' * 20_000}'/></g></svg>",
        f"<svg {XMLNS}>{MARKER}<g marker-end='url(#m)'>{'<path/>' * 1_000}</g></svg>",
        f"<svg {XMLNS}><text id='a'>{'a' * 20_000}</text>{USED_A * 1_000}</svg>",
        f"<svg {XMLNS}><path id='a' d='M0 0h{'1 ' * 20_000}'/>{USED_A * 1_000}</svg>",
    ],
)
def test_what_is_no_picture_leaves_its_description(svg: str) -> None:
    assert clean(svg, "p-", "t", "d") == ""


def test_parts_of_a_picture_may_be_used_again() -> None:
    assert clean(f"<svg {XMLNS}>{_used(3, 10)}</svg>", "p-", "t", "d").count("<use ") == 20
    assert clean(f"<svg {XMLNS}>" + "<g>" * 31 + "</g>" * 31 + "</svg>", "p-", "t", "d")


def test_ids_of_two_pictures_do_not_meet_and_their_arrows_stay() -> None:
    one, two = (clean(matrix().svg, prefix, "t & <b>", "d") for prefix in ("p-1-", "p-2-"))
    ids = [{found.get("id") for found in fromstring(svg).iter() if found.get("id")} for svg in (one, two)]
    assert ids[0].isdisjoint(ids[1])
    assert 'marker-end="url(#p-1-a)"' in one
    assert "p-1-a" in ids[0]
    assert "t &amp; &lt;b&gt;" in one


def test_ids_within_a_picture_are_there_once_and_none_is_that_of_its_title() -> None:
    inside = "<rect id='title'/><rect id='desc'/><rect id='-title'/><rect id='a'/><rect id='a'/><use href='#title'/>"
    found = list(fromstring(clean(f"<svg {XMLNS}>{inside}</svg>", "p-", "The title", "In words")).iter())
    ids = [name for one in found if (name := one.get("id"))]
    assert len(ids) == len(set(ids))
    assert {"p-title", "p-desc", "p-a"} < set(ids)
    texts = {one.get("id"): one.text for one in found}
    assert texts[found[0].get("aria-labelledby")] == "The title"
    assert texts[found[0].get("aria-describedby")] == "In words"


def test_a_stroke_wider_than_any_picture_is_left_out() -> None:
    svg = clean(f"<svg {XMLNS}><path stroke-width='99999'/><path stroke-width='1.23456'/></svg>", "p-", "t", "d")
    assert svg.endswith('<path></path><path stroke-width="1.23456"></path></svg>')


@pytest.mark.parametrize("box", ["0 0 0.0001 999999", "0 0 999999 0.0001", "0 0 1 1001", "0 0 0 1", "0 0 nan 1"])
def test_a_picture_that_is_too_narrow_for_paper_has_no_size(box: str) -> None:
    assert size(f'<svg {XMLNS} viewBox="{box}"/>') is None
    assert size(f'<svg {XMLNS} viewBox="0 0 700 30000"/>') == (700, 30_000)


def test_the_same_report_gives_the_same_bytes() -> None:
    assert page(report()) == page(report())
    assert dumps(report()) == dumps(report())


def test_a_date_and_an_id_stay_on_one_line_with_the_sign_that_they_are_late_and_words_may_be_broken() -> None:
    table = Table(
        title="t",
        columns=(Column("a"), Column("b")),
        rows=(row("R-001", "due 2027-01-31 ! of R-0021 and tietoturva-asiantuntijan"),),
    )
    made = page(replace(report(), sections=(Section(id="s", title="t", place="annex", blocks=(table,)),)))
    assert re.findall(r'class="whole">([^<]*)<', made) == ["R-001", "2027-01-31 !", "R-0021"]


def test_a_title_that_only_repeats_the_heading_is_for_those_who_do_not_see_the_page() -> None:
    one = Table(title="Same", columns=(Column("a"),), rows=(row("x"),))
    other = replace(one, title="Other")
    made = page(replace(report(), sections=(Section(id="s", title="Same", place="annex", blocks=(one, other)),)))
    assert re.findall(r"<caption id=[^ >]*( class=\"unseen\")?>(\w+)<", made) == [
        (' class="unseen"', "Same"),
        ("", "Other"),
    ]


def test_the_type_of_a_first_page_gets_smaller_with_what_is_on_it() -> None:
    sections = [one for one in report().sections if one.place == "first"]
    facts = report().facts
    assert [fullness([*sections, *sections[3:] * more], facts) for more in (0, 5)] == [0, len(SIZES) - 1]
    heights = [page_height(sections, facts, size) for size in SIZES]
    assert heights == sorted(heights, reverse=True)


def test_the_small_matrix_has_every_level_as_dots_and_says_how_many_risks_it_does_not_name() -> None:
    ids = tuple(f"R-{n:03}" for n in range(1, 8))
    drawn = HeatMap(
        title="t",
        levels=((1, 2), (2, 3)),
        names=("low", "<b>", "high"),
        likelihoods=("1", "2"),
        impacts=("1", "2"),
        likelihood="l",
        impact="i",
        risks={(2, 2): ids},
        moves=(Move("R-001", (1, 1), (2, 2)),),
    )
    made = fromstring(small_svg(drawn))
    texts = [(one.text or "").strip() for one in made.iter("{http://www.w3.org/2000/svg}text")]
    assert {"R-002 R-003", "R-001 +4", "low", "<b>", "high"} <= set(texts)
    assert len(list(made.iter("{http://www.w3.org/2000/svg}circle"))) == (1 + 2 + 2 + 3) + (1 + 2 + 3)


def test_an_arrow_of_the_large_matrix_runs_over_no_id() -> None:
    stay = {(3, 2): ("R-004", "R-012", "R-014", "R-016"), (1, 2): ("R-010", "R-017"), (4, 2): ("R-020",)}
    moves = (Move("R-010", (4, 2), (1, 2)), Move("R-020", (4, 2), (1, 2)), Move("R-016", (3, 2), (2, 1)))
    drawn = HeatMap(
        title="t",
        levels=((1, 2, 3),) * 4,
        names=("low", "middle", "high"),
        likelihoods=("1", "2", "3", "4"),
        impacts=("1", "2", "3"),
        likelihood="l",
        impact="i",
        risks=stay,
        moves=moves,
    )
    made = fromstring(svg(drawn))
    space = "{http://www.w3.org/2000/svg}"
    ids = [one for one in made.iter(f"{space}text") if (one.text or "").startswith("R-")]
    boxes = [
        (x - wide, x + wide, y - 11, y + 2)
        for one in ids
        for x, y, wide in ((float(one.get("x", "")), float(one.get("y", "")), 4 * len(one.text or "")),)
    ]
    arrows = [one.get("d", "")[1:] for one in made.iter(f"{space}path") if one.get("marker-end")]
    assert len(boxes) == 4
    assert len(arrows) == len(moves)
    for arrow in arrows:
        points = [tuple(map(float, point.split(","))) for point in arrow.split("L")]
        for (ax, ay), (bx, by) in pairwise(points):
            assert ax == bx or ay == by
            for left, right, top, bottom in boxes:
                assert max(ax, bx) < left or min(ax, bx) > right or max(ay, by) < top or min(ay, by) > bottom
