"""Rule sets that were kept: the same rules, plan and matches as when they are read; and nothing believed that is not
what this account wrote for just these rules."""

import os
import pickle
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kyber.logs.sigma import cache
from kyber.logs.sigma.cache import CONDITION, HEADER, MAX_FILES, PREDICATE, RULE, read
from kyber.logs.sigma.match import Matcher
from kyber.logs.sigma.modifier import Placeholders
from kyber.logs.sigma.plan import Plan, Ready, plan
from kyber.logs.sigma.predicate import Equals, Glob, Order, leaves
from kyber.logs.sigma.rule import Rule, RuleSet, read_rules
from tests.data import unpacked
from tests.logs.sigma.strategies import PLACEHOLDERS, cases
from tests.logs.sigma.test_match import batch_of, rule_of

SYSTEM_TIME = 1_700_000_000


def rule(title: str, identity: str = "", **more: Any) -> dict[str, Any]:
    return {
        "title": title,
        "id": identity or title,
        "logsource": {"product": "test"},
        "detection": {"selection": {"A|contains": title}, "condition": "selection"},
        **more,
    }


def written(folder: Path, **documents: Mapping[str, Any] | str) -> Path:
    """A folder of rule files, each by its name."""
    folder.mkdir(exist_ok=True)
    for name, document in documents.items():
        text = document if isinstance(document, str) else yaml.safe_dump(dict(document), allow_unicode=True)
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder


def kept(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def never(*_: object) -> RuleSet:
    raise AssertionError("the rules were read anew")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Rules of several kinds, some that cannot run, and a file that is no rule."""
    return written(
        tmp_path / "rules",
        a=rule("a", level="high", tags=["attack.t1059"], kyber={"family": "access", "title": {"fi": "ä"}}),
        b=rule("b", detection={"x": {"A|expand": "%missing%"}, "condition": "x"}),
        c=rule("c", level="worst", detection={"k": ["needle", 5], "n": {"B": [1, 1.0, None]}, "condition": "1 of *"}),
        d=rule("d", detection={"x": {"C|utf16": "bytes", "D|re|i": "^x+", "E|cidr": "10.0.0.0/8"}, "condition": "x"}),
        e="title: [",
        f=rule("other", "a"),
        g=rule("g", detection={"x": {"A|hour|gte": 22, "B|fieldref": "C", "C|exists": False}, "condition": "not x"}),
    )


def same(one: RuleSet, other: RuleSet) -> None:
    assert list(one.rules) == list(other.rules)
    assert repr(list(one.rules)) == repr(list(other.rules))  # 1 and 1.0 are equal, and not the same
    assert plan(one.rules, one.filters) == plan(other.rules, other.filters)
    assert (one.unable, one.problems) == (other.unable, other.problems)
    assert (one.filters, one.correlations) == (other.filters, other.correlations)


def test_what_was_kept_is_what_was_read(tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh, folder = read_rules([str(rules)], {}), tmp_path / "kept"
    assert (len(fresh.rules), len(fresh.unable), len(fresh.problems)) == (4, 1, 3)
    same(read([str(rules)], {}, folder), fresh)
    monkeypatch.setattr(cache, "read_all", never)
    again = read([str(rules)], {}, folder)
    assert isinstance(again.rules, Ready)
    same(again, fresh)


def test_rules_that_were_kept_can_be_sent_to_another_process(tmp_path: Path, rules: Path) -> None:
    for _ in range(2):
        found = read([str(rules)], {}, tmp_path / "kept")
        sent: Plan = pickle.loads(pickle.dumps(plan(found.rules)))
        assert sent == plan(found.rules)
        assert [one.rule for many in sent.routes.values() for one in many] == list(found.rules)


def edit(rules: Path) -> None:
    (rules / "a.yml").write_text(yaml.safe_dump(rule("a", level="low")))


def edit_in_secret(rules: Path) -> None:
    """Another content of the same size, with the same time."""
    file = rules / "a.yml"
    before = file.stat()
    file.write_bytes(file.read_bytes().replace(b"level: high", b"level:  low"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size


@pytest.mark.parametrize(
    "change",
    [
        edit,
        edit_in_secret,
        lambda rules: (rules / "a.yml").rename(rules / "z.yml"),
        lambda rules: (rules / "c.yml").unlink(),
        lambda rules: written(rules, new=rule("new")),
    ],
    ids=["edited", "edited in secret", "renamed", "deleted", "added"],
)
def test_rules_that_changed_are_read_anew(change: Callable[[Path], object], tmp_path: Path, rules: Path) -> None:
    before = read([str(rules)], {}, tmp_path / "kept")
    change(rules)
    after = read([str(rules)], {}, tmp_path / "kept")
    assert list(after.rules) != list(before.rules)
    same(after, read_rules([str(rules)], {}))


def test_a_list_that_changed_makes_other_rules(tmp_path: Path, rules: Path) -> None:
    lists: list[Placeholders] = [{}, {"missing": ["x"]}, {"missing": ["x", "y"]}, {"missing": ["xy"]}, {}]
    for one in lists:
        same(read([str(rules)], one, tmp_path / "kept"), read_rules([str(rules)], one))
    assert len(kept(tmp_path / "kept")) == 4


def test_the_same_files_by_other_paths_are_other_rules(tmp_path: Path, rules: Path) -> None:
    ways = [
        [str(rules)],
        [str(rules / "f.yml"), str(rules)],
        [str(rules), str(rules / "f.yml")],
        [str(tmp_path / "no")],
    ]
    for _ in range(2):
        for paths in ways:
            same(read(paths, {}, tmp_path / "kept"), read_rules(paths, {}))


def test_another_version_of_the_code_reads_anew(tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read([str(rules)], {}, tmp_path / "kept")
    monkeypatch.setattr(cache, "_code", lambda: "another")
    same(read([str(rules)], {}, tmp_path / "kept"), read_rules([str(rules)], {}))
    assert len(kept(tmp_path / "kept")) == 2


def test_filters_and_correlations_are_read_from_their_files_and_judged_by_the_day(tmp_path: Path) -> None:
    head = {"logsource": {"product": "test"}}
    rules = written(
        tmp_path / "rules",
        a=rule("one"),
        b=rule("two"),
        c={
            "title": "not those",
            "id": "filter",
            **head,
            "filter": {"rules": ["one"], "selection": {"B": "x"}, "condition": "selection"},
            "kyber": {"owner": "somebody", "expires": "2026-05-01"},
        },
        d={
            "title": "many",
            "id": "many",
            "correlation": {
                "type": "event_count",
                "rules": ["two"],
                "group-by": ["B"],
                "timespan": "1h",
                "condition": {"gte": 3},
            },
        },
        e={"title": "again", "id": "filter", **head, "filter": {"rules": "any", "x": {"B": "y"}, "condition": "x"}},
    )
    folder = tmp_path / "kept"
    for today in (None, date(2026, 4, 1), date(2026, 6, 1), date(2026, 4, 1)):
        fresh = read_rules([str(rules)], {}, today)
        assert len(fresh.correlations) == 1
        assert len(fresh.filters) == (today is None or today < date(2026, 5, 1))
        found = read([str(rules)], {}, folder, today)
        same(found, fresh)
        assert [one.filters for many in plan(found.rules, found.filters).routes.values() for one in many] == [
            (0,) if fresh.filters else (),
            (),
        ]
    assert len(kept(folder)) == 1


def damaged(file: Path, how: Callable[[bytes], bytes]) -> None:
    file.write_bytes(how(file.read_bytes()))


def forged(body: bytes) -> Callable[[bytes], bytes]:
    """A file with a true checksum over something else."""
    import hashlib

    import zstandard

    packed = zstandard.compress(body)
    return lambda _: HEADER + hashlib.sha256(packed).digest() + packed


def of_no_size(_: bytes) -> bytes:
    import hashlib

    import zstandard

    made = zstandard.ZstdCompressor(write_content_size=False).compress(b"{}\n")
    return HEADER + hashlib.sha256(made).digest() + made


@pytest.mark.parametrize(
    "how",
    [
        lambda text: b"",
        lambda text: text[: len(HEADER) + 10],
        lambda text: text[:-1],
        lambda text: text + b"\0",
        lambda text: text.replace(HEADER, b"kyber rules 0\n"),
        lambda text: text[:-20] + bytes([text[-20] ^ 1]) + text[-19:],
        forged(b""),
        forged(b"[]\n"),
        forged(b"{}\n"),
        forged(b"not JSON\n"),
        forged(b'{"sizes":[5],"routes":[]}\n'),
        of_no_size,
    ],
)
def test_a_damaged_file_is_passed_over_and_made_anew(
    how: Callable[[bytes], bytes], tmp_path: Path, rules: Path
) -> None:
    folder = tmp_path / "kept"
    fresh = read([str(rules)], {}, folder)
    (file,) = kept(folder)
    whole = file.read_bytes()
    damaged(file, how)
    same(read([str(rules)], {}, folder), fresh)
    assert kept(folder) == [file]
    assert file.read_bytes() == whole


@given(at=st.integers(0, 10_000), sign=st.integers(1, 255))
@settings(max_examples=30, deadline=None)
def test_no_changed_byte_goes_unseen(tmp_path_factory: pytest.TempPathFactory, at: int, sign: int) -> None:
    base = tmp_path_factory.mktemp("changed")
    rules, folder = written(base / "rules", a=rule("a")), base / "kept"
    read([str(rules)], {}, folder)
    (file,) = kept(folder)
    text = bytearray(file.read_bytes())
    text[at % len(text)] ^= sign
    file.write_bytes(text)
    assert cache._body(file) is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights are those of POSIX")
def test_a_file_that_others_may_write_to_is_not_believed(
    tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept"
    read([str(rules)], {}, folder)
    (file,) = kept(folder)
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cache._body(file) is not None
    for mode in (0o620, 0o602):
        file.chmod(mode)
        assert cache._body(file) is None
    file.chmod(0o600)
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
        assert cache._body(file) is None
    link = folder / "link"
    link.symlink_to(file)
    with pytest.raises(OSError, match=r".+"):
        cache._body(link)


def test_a_folder_that_cannot_be_written_to_changes_nothing(tmp_path: Path, rules: Path) -> None:
    fresh = read_rules([str(rules)], {})
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    for folder in (in_the_way, in_the_way / "kept", None):
        same(read([str(rules)], {}, folder), fresh)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    same(read([str(rules)], {}, tmp_path / "link"), fresh)
    assert not kept(tmp_path / "elsewhere")


def test_only_the_last_used_are_kept_and_nothing_else_is_touched(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "mine.txt").write_text("not to be deleted")
    first = written(tmp_path / "0", a=rule("0"))
    read([str(first)], {}, folder)
    (used,) = (file for file in kept(folder) if file.name.startswith("rules-"))
    for number in range(1, MAX_FILES + 3):
        before = kept(folder)
        read([str(written(tmp_path / str(number), a=rule(str(number))))], {}, folder)
        for file in set(kept(folder)) - set(before):
            os.utime(file, (SYSTEM_TIME + number, SYSTEM_TIME + number))
        os.utime(used, (SYSTEM_TIME, SYSTEM_TIME))
        read([str(first)], {}, folder)
    assert used in kept(folder)
    assert len(kept(folder)) == MAX_FILES + 1
    assert (folder / "mine.txt").exists()


def test_they_may_not_take_more_than_their_share(tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MAX_BYTES", 100)
    same(read([str(rules)], {}, tmp_path / "kept"), read_rules([str(rules)], {}))
    assert not kept(tmp_path / "kept")


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_every_rule_and_predicate_comes_back_as_it_went(case: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    made = rule_of(case[0])
    back: Rule = RULE.back(cache._loaded(cache._json(RULE.out(made))))
    assert back == made
    assert repr(back) == repr(made)
    assert hash(back.condition) == hash(made.condition)
    for leaf in leaves(made.condition):
        assert PREDICATE.back(cache._loaded(cache._json(PREDICATE.out(leaf.predicate)))) == leaf.predicate


@pytest.mark.parametrize("number", [0, -1, 1.0, 0.1, 1e300, 2**53 + 1, 10**299, float("inf"), float("-inf")])
def test_numbers_of_any_size_come_back(number: float) -> None:
    for predicate in (Equals(number), Order("lt", number)):
        back = PREDICATE.back(cache._loaded(cache._json(PREDICATE.out(predicate))))
        assert repr(back) == repr(predicate)


def test_bytes_that_are_no_text_come_back() -> None:
    predicate = Glob(("\udcff\udcfea",))
    assert PREDICATE.back(cache._loaded(cache._json(PREDICATE.out(predicate)))) == predicate


@settings(max_examples=30, deadline=None)
@given(found=st.lists(cases(), min_size=1, max_size=4))
def test_rules_that_were_kept_match_what_they_match_when_they_are_read(
    found: list[tuple[dict[str, Any], list[dict[str, Any]]]],
) -> None:
    rules = [rule_of({**document, "id": str(number)}) for number, (document, _) in enumerate(found)]
    events = [event for _, events in found for event in events]
    fresh = RuleSet(tuple(rules), (), ())
    again, others = cache._decoded(cache._encoded(fresh, {}))
    assert not others
    assert plan(again.rules) == plan(rules)

    def rows(asked: Plan) -> list[tuple[str, list[int]]]:
        return [(match.rule.ref.id, match.rows.tolist()) for match in Matcher(asked).matches(batch_of(events))]

    assert rows(plan(again.rules)) == rows(plan(rules))


def test_sigmahq_comes_back_whole(tmp_path: Path) -> None:
    paths = [str(unpacked("sigma-rules.tar.gz"))]
    fresh = read(paths, PLACEHOLDERS, tmp_path / "kept")
    again = read(paths, PLACEHOLDERS, tmp_path / "kept")
    assert len(again.rules) > 3_000
    assert list(again.rules) == list(fresh.rules)
    assert plan(again.rules) == plan(fresh.rules)
    assert (again.unable, again.problems) == (fresh.unable, fresh.problems)


def test_a_condition_comes_back_as_it_went() -> None:
    made = rule_of({"detection": {"a": {"A": [1, "x*"]}, "b": {"B": None}, "condition": "not (a and b) or b"}})
    assert repr(CONDITION.back(CONDITION.out(made.condition))) == repr(made.condition)


def test_what_is_kept_under_another_name_is_not_believed(tmp_path: Path) -> None:
    folder, rules = tmp_path / "cache", [tmp_path / "one.yml", tmp_path / "two.yml"]
    for number, rule in enumerate(rules):
        rule.write_text(
            f"title: rule {number}\nid: id{number}\nlogsource: {{product: linux}}\n"
            f"detection: {{sel: {{a: {number}}}, condition: sel}}\n",
            encoding="utf-8",
        )
        cache.read([str(rule)], {}, folder)
    one, two = sorted(folder.iterdir())
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert [cache.read([str(rule)], {}, folder).rules[0].ref.id for rule in rules] == ["id0", "id1"]


def test_a_folder_that_others_may_write_to_keeps_nothing(tmp_path: Path) -> None:
    folder, rule = tmp_path / "cache", tmp_path / "one.yml"
    rule.write_text(
        "title: a\nlogsource: {product: linux}\ndetection: {sel: {a: 1}, condition: sel}\n", encoding="utf-8"
    )
    folder.mkdir()
    folder.chmod(0o777)
    assert len(cache.read([str(rule)], {}, folder).rules) == 1
    assert list(folder.iterdir()) == []
