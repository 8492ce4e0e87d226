"""Each proof of `make prove`, small."""

from datetime import date

import pytest

from tests.prove import proofs
from tests.prove.attacks import attacks, measured, shipped
from tests.prove.page import Proof, table


def holds(proof: Proof) -> Proof:
    """The proof, which nothing speaks against."""
    assert not proof.wrong
    return proof


def test_a_dozen_regression_cases_hit_as_they_should() -> None:
    assert holds(proofs.regression(12)).counts["cases"] == 12


def test_every_record_of_some_files_is_accounted_for() -> None:
    counts = holds(proofs.accounting(event_logs=8, lines=3_000, broken=1_000)).counts
    assert counts["files"] == 8 + 3 + 2
    assert counts["blank"] == 100
    assert counts["records in them"] == counts["events"] + counts["blank"] + sum(
        count for name, count in counts.items() if name.startswith("rejected")
    )


def test_every_rule_of_the_corpus_fires_runs_or_is_blind_on_some_events() -> None:
    counts = holds(proofs.corpus(3_000)).counts
    assert counts["rules that fired"] > 0
    assert counts["rules read"] == sum(
        counts[name] for name in ("rules that fired", "rules that ran and found nothing", "rules that were Blind")
    )


def test_the_matcher_finds_the_rows_of_the_row_by_row_evaluator_in_random_examples() -> None:
    assert holds(proofs.matcher(100)).counts["examples"] >= 100


def test_a_matcher_that_finds_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "rows", lambda *_: [])
    assert "AssertionError" in proofs.matcher(50).wrong[0]


def test_the_engine_and_the_row_by_row_evaluator_agree_on_some_real_events() -> None:
    counts = holds(proofs.sample(250, every=2)).counts
    assert counts["events"] == 250
    assert counts["pairs found by the engine"] == counts["found row by row"] > 0


def test_the_engine_the_row_by_row_evaluator_and_rsigma_agree_on_some_real_events() -> None:
    assert holds(proofs.rsigma(event_logs=12, lines=200, every=8)).counts["found by all three"] > 0


def test_most_lines_of_some_services_are_understood() -> None:
    counts = holds(proofs.services(20)).counts
    assert counts["working cases"] == 20
    assert counts["working cases: lines understood"] > 0.8 * counts["working cases: lines"]
    assert counts["working cases: fields that agree"] > 0.5 * counts["working cases: fields compared"]


def test_some_rule_finds_most_attacks_on_web_servers_and_services() -> None:
    counts = holds(attacks(30)).counts
    assert counts["working cases: attacks"] == 30
    assert counts["working cases: attacks found"] > 15
    assert "held-out cases: attacks" not in counts


def test_an_attack_is_found_only_where_a_finding_names_its_source() -> None:
    log = b"".join(
        b'203.0.113.77 - - [04/Mar/2026:10:00:0%d +0200] "GET /../../etc/passwd HTTP/1.1" 404 196 "-" "-"\n' % second
        for second in range(3)
    )
    for sources, found in ((["203.0.113.77"], 1), (["203.0.113.7"], 0), ([], 1), (["203.0.113.7", "203.0.113.77"], 1)):
        case = {"test": "made", "log_type": "apache2", "sources": sources}
        service, count = measured(case, log, shipped())
        assert (service, count.attacks, count.found) == ("apache", 1, found)
        assert count.missed == ([] if found else ["made"])


def test_a_page_says_what_was_tried_what_was_found_and_how() -> None:
    proof = Proof(
        title="Sums", claim="Two and two are four.", counts={"sums": 1_000}, parts=[table(("a",), [("x|y",)])]
    )
    page = proof.page(command="add", day=date(2025, 11, 22), seconds=1.4, data={"numbers.txt": "00ff"})
    assert page.startswith("# Sums\n\nTwo and two are four.\n\n**It holds.**\n")
    assert "| sums | 1,000 |" in page
    assert "| x\\|y |" in page
    assert "| command | `add` |\n| date | 2025-11-22 |\n| time taken | 1 s |" in page
    assert "| numbers.txt, SHA-256 | 00ff… |" in page


def test_a_page_lists_what_speaks_against_its_claim() -> None:
    proof = Proof(title="Sums", claim="Two and two are five.", counts={}, wrong=["2 + 2 = 4"])
    page = proof.page(command="add", day=date(2025, 11, 22), seconds=1, data={})
    assert "**It does not hold: 1 against it.**\n\n- 2 + 2 = 4" in page
