"""What a shipper says while it is at work: one line that changes, and why nothing goes on, in three languages."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kyber.cli.delivering import Delivering, Onlooker, why
from kyber.logs import ship
from kyber.logs.ship import Shipped
from kyber.logs.store import cluster
from kyber.text import LANGUAGES, words_for

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def reasons() -> Iterator[str]:
    """Every reason to wait that shipping or the connection gives, with `5` for what it names."""
    for module in (cluster, ship):
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "AwayError":
                (text,) = node.args
                assert isinstance(text, ast.JoinedStr), ast.unparse(node)
                yield "".join(str(one.value) if isinstance(one, ast.Constant) else "5" for one in text.values)


REASONS = sorted(set(reasons()))


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_to_wait_is_said_in_the_language_of_the_workspace(reason: str) -> None:
    said = {why(reason, words_for(language)) for language in LANGUAGES}
    assert len(said) == len(LANGUAGES)
    assert reason not in {why(reason, words_for(language)) for language in ("fi", "sv")}
    assert all("5" in one for one in said)


def test_there_are_reasons_to_wait_and_one_that_nobody_knows_is_said_as_it_is() -> None:
    assert len(REASONS) > 10
    assert why("the moon is full\x1b[2J", words_for("fi")) == "the moon is full\\x1b[2J"
    assert why("nobody listens at http://\x1b[2J", words_for("sv")) == "ingen lyssnar på http://\\x1b[2J"


def test_the_line_says_what_is_delivered_what_is_pending_and_when_the_last_was_delivered() -> None:
    assert Delivering().line(words_for("en"), UTC) == "delivered: 0, pending: 0, the last at: –"
    line = Delivering(12_345, 6, NOON).line(words_for("fi"), UTC)
    assert line == "toimitettu: 12\N{NO-BREAK SPACE}345, odottaa: 6, viimeisin: 2026-03-02 12:00:00"


def test_what_was_there_already_counts_as_delivered_and_what_was_refused_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown: list[Delivering] = []
    onlooker = Onlooker(words_for("sv"), lambda: NOON, shown.append)
    onlooker.pending(9)
    onlooker.told(Shipped(refused=1))
    onlooker.told(Shipped(created=2, known=1, refused=1))
    for waiting in ("nobody listens at http://x", "nobody listens at http://x", "", ""):
        onlooker.told(Shipped(created=2, known=1, refused=1, waiting=waiting))
    assert shown == [Delivering(0, 9), Delivering(3, 9, NOON)]
    assert capsys.readouterr().err == "väntar: ingen lyssnar på http://x\nfortsätter\n"
