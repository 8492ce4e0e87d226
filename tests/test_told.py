import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.errors import UsageError
from kyber.told import FILE, Sent, line, opened, read, told

NOW = datetime(2026, 11, 4, 2, 41, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


def sent(digest: str = "d1", person: str = "aino", *findings: str) -> Sent:
    return Sent(
        digest=digest,
        time=NOW,
        person=person,
        address="aino@x.example",
        findings=findings,
        silent=("backup@",),
        unread=(),
    )


@given(st.lists(st.tuples(TEXTS, TEXTS, st.lists(TEXTS, max_size=4)), max_size=6))
def test_every_finding_that_was_told_is_remembered_for_the_person_and_the_last_digest_too(
    mails: list[tuple[str, str, list[str]]],
) -> None:
    text = b"".join(line(sent(digest, person, *found)) + b"\n" for digest, person, found in mails)
    known, broken = told(text)
    assert broken == 0
    assert known.keys() == {person for _, person, _ in mails}
    for person, one in known.items():
        assert one.findings == {each for _, whose, found in mails if whose == person for each in found}
        assert one.last == [digest for digest, whose, _ in mails if whose == person][-1]
        assert one.at == NOW


@given(st.binary(max_size=200))
def test_lines_that_cannot_be_read_are_counted_and_harm_no_others(noise: bytes) -> None:
    noise = noise.replace(b"\r", b"")
    known, broken = told(line(sent()) + b"\n" + noise + b"\n" + line(sent("d2", "eero")))
    assert {"aino", "eero"} <= known.keys()
    assert broken <= len(noise.splitlines())
    assert told(b'{"digest": 1}\n[]\n{}\n"x"\n')[1] == 4


def test_what_is_added_is_there_and_for_its_owner_only(tmp_path: Path) -> None:
    state = tmp_path / ".kyber"
    assert read(state) == b""
    with opened(state) as memory:
        memory.add(sent("d1", "aino", "f1"))
        memory.add(sent("d2", "aino", "f2"))
        assert read(state) == memory.text
    with opened(state) as memory:
        assert told(memory.text)[0]["aino"].findings == {"f1", "f2"}
    assert stat.S_IMODE((state / FILE).stat().st_mode) == 0o600


def test_a_line_that_was_torn_spoils_no_later_one(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(line(sent("d1", "aino", "f1")) + b"\n" + line(sent("d2"))[:30])
    with opened(tmp_path) as memory:
        memory.add(sent("d3", "aino", "f3"))
    known, broken = told(read(tmp_path))
    assert known["aino"].findings == {"f1", "f3"}
    assert broken == 1


def test_two_processes_do_not_send_at_once(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(UsageError, match="already"), opened(tmp_path):
        raise AssertionError("the second got in")
    with opened(tmp_path) as memory:
        assert memory.text == b""


def test_a_link_or_a_folder_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="cannot be opened"), opened(tmp_path):
        raise AssertionError("it was opened")
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(UsageError, match="cannot be opened"), opened(tmp_path):
        raise AssertionError("it was opened")
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path)
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_mail_that_cannot_be_remembered_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as memory, Path("/dev/full").open("wb", buffering=0) as full:
        os.dup2(full.fileno(), memory._handle)
        with pytest.raises(UsageError, match=r"sent to aino@x\.example, but"):
            memory.add(sent())
