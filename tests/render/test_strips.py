import re

import pytest

from kyber.render.strips import strips


def picture(inside: str, box: str = "0 0 100 500") -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="1" viewBox="{box}">{inside}</svg>'


def test_a_picture_that_fits_stays_whole() -> None:
    whole = picture('<text y="9">a</text>', "0 0 100 130")
    (one,) = strips(whole, 1.32)
    assert one.svg == whole.replace(' width="1"', "")
    assert (one.width, one.height) == (100, 130)


def test_a_tall_picture_is_cut_between_its_texts_and_each_stands_in_one_piece() -> None:
    rows = "".join(f'<g transform="translate(5 {n})"><text y="30">at {n};</text></g>' for n in range(0, 460, 40))
    found = strips(picture(rows), 1.5)
    assert len(found) == 4
    assert sum(one.height for one in found) == pytest.approx(500)
    assert re.findall(r"at (\d+);", "".join(one.svg for one in found)) == [str(n) for n in range(0, 460, 40)]
    top = 0.0
    for one in found:
        _, begin, _, height = map(float, re.search(r'viewBox="([^"]*)"', one.svg)[1].split())  # type: ignore[index]
        assert begin == pytest.approx(top, abs=0.01)
        top = begin + height
        assert all(begin < int(n) + 30 - 10 < int(n) + 30 < top for n in re.findall(r"at (\d+);", one.svg))


@pytest.mark.parametrize("box", ["", "0 0 1", "a b c d", "0 0 0 9", "0 0 -1 9", "0 0 nan 9", "0 0 1 inf"])
def test_a_picture_without_a_size_has_no_pieces(box: str) -> None:
    assert strips(picture("", box), 1.32) == ()


def test_a_picture_like_a_thread_is_not_cut_into_thousands_and_one_like_a_hair_is_none() -> None:
    assert len(strips(picture("", "0 0 1 900"), 1.32)) == 1
    assert strips(picture("", "0 0 1 100000"), 1.32) == ()
