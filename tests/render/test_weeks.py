from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from kyber.render.weeks import Weeks, svg

COUNTS = st.lists(st.tuples(*[st.integers(0, 10**6)] * 3), max_size=30)


@given(COUNTS, st.text(max_size=30))
def test_any_weeks_are_drawn_as_one_picture_without_scripts_that_says_the_same_in_words(
    counts: list[tuple[int, int, int]], text: str
) -> None:
    found = Weeks(
        title=text,
        names=(text, "Access", "Technical"),
        weeks=tuple(f"2026-W{at:02}" for at in range(len(counts))),
        counts=tuple(counts),
        axis="findings",
        described="What it shows.",
    )
    root = ElementTree.fromstring(svg(found))
    names = [one.tag.rpartition("}")[2] for one in root.iter()]
    assert {"title", "desc"} <= set(names)
    assert "script" not in names
    bars = [one for one in root.iter() if one.get("fill", "").startswith("url(#weeks") and one.get("y") != "42"]
    assert len(bars) == sum(count > 0 for week in counts for count in week)
    assert all(0 <= float(one.get("y", "-1")) <= 251 for one in bars)


def test_the_first_week_of_the_period_is_marked_and_named_within_the_picture() -> None:
    for begins in range(6):
        found = Weeks(
            title="t",
            names=("Security",),
            weeks=tuple(f"2026-W{at:02}" for at in range(6)),
            counts=((1,),) * 6,
            axis="findings",
            begins=begins,
            period="the period begins",
            described="d",
        )
        root = ElementTree.fromstring(svg(found))
        marks = [one for one in root.iter() if one.get("stroke-dasharray")]
        (named,) = [one for one in root.iter() if one.text == "the period begins"]
        assert len(marks) == 1
        assert 0 <= float(named.get("x", "-1")) - (150 if named.get("text-anchor") == "end" else 0) <= 760 - 150
