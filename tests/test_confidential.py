"""What not everybody may see: what goes with a secret, what stays, and that nothing names what is gone."""

from datetime import date
from pathlib import Path

import pytest
import yaml

from kyber.confidential import hidden, public, telling, without_secrets
from kyber.join import Snapshot, read_workspace
from kyber.register import references
from tests.risks.county import PEOPLE, SETTINGS, lay_out

DAY = date(2026, 11, 23)
SECRET = {"confidentiality": "secret"}
NAMED = "Operation Moon Light"
RISKS = {
    "R-1": {"actions": ["A-secret", "A-both"], "controls": ["C-secret", "C-both"], "services": ["open"], **SECRET},
    "R-2": {"actions": ["A-both"], "controls": ["C-both"], "services": ["hidden", "open", NAMED.upper()]},
}
SERVICES = {
    "hidden": {
        "name": NAMED,
        "capability": {"rto": "5 h"},
        "backup": {"interval": "2 d"},
        "plans": ["P-named"],
        "log_sources": ["loki-named"],
        **SECRET,
    },
    "open": {"depends_on": [{"id": "hidden", "kind": "data"}, {"id": "base"}], "plans": ["P-both"]},
    "base": {},
}
PLANS = {"P-named": [], "P-of": ["hidden"], "P-both": ["hidden", "open"], "P-nobody": []}
SOURCES = {
    "loki-named": [],
    "loki-name": [NAMED],
    "loki-of": ["Hidden"],
    "loki-both": ["hidden", "base"],
    "loki-nobody": [],
}
TASKS = {
    "T-1": {"services": ["hidden"]},
    "T-2": {"services": ["hidden", "base"]},
    "T-3": {"risks": ["R-1"]},
    "T-4": {},
}


@pytest.fixture
def whole(tmp_path: Path) -> Snapshot:
    records: dict[str, dict[str, object]] = {}
    for id_, more in RISKS.items():
        records[f"risks/{id_}.yaml"] = {
            "id": id_,
            "title": id_,
            "status": "preliminary",
            "identified_in": "log",
            **more,
        }
    for id_, more in SERVICES.items():
        records[f"continuity/services/{id_}.yaml"] = {"id": id_, "name": id_, **more}
    for id_, services in PLANS.items():
        records[f"continuity/plans/{id_}.yaml"] = {
            "id": id_,
            "title": id_,
            "type": "recovery",
            "owner": "chief",
            "version": "1",
            "services": services,
            "review": {"interval": "1 y", "last": DAY},
            "steps": [{"no": 1, "who": "chief", "does": "x"}],
            "activation": ["x"],
            "contacts": [{"name": "Aino", "phone": "+358 40 1"}],
        }
    for id_, services in SOURCES.items():
        records[f"sources/{id_}.yaml"] = {"id": id_, "name": id_, "services": services}
    for id_, targets in TASKS.items():
        records[f"calendar/{id_}.yaml"] = {
            "id": id_,
            "title": id_,
            "ring": "logs",
            "rule": "FREQ=YEARLY",
            "starts": DAY,
            "lead_time": "1 d",
            "output": "x",
            "basis": ["x"],
            "targets": targets,
        }
    for id_ in ("A-secret", "A-both", "A-exercise", "A-incident", "A-nobody"):
        records[f"actions/{id_}.yaml"] = {"id": id_, "title": id_, "status": "proposed", "after": ["A-secret"]}
    for id_ in ("C-secret", "C-both"):
        records[f"controls/{id_}.yaml"] = {
            "id": id_,
            "title": id_,
            "owner": "chief",
            "type": "preventive",
            "status": "planned",
        }
    for id_, service, action in (("E-1", "hidden", "A-exercise"), ("E-2", "base", "A-nobody")):
        records[f"continuity/exercises/{id_}.yaml"] = {
            "id": id_,
            "title": id_,
            "type": "tabletop",
            "date": DAY,
            "lead": "chief",
            "services": [service],
            "findings": [{"what": "x", "action": action}],
        }
    records["incidents/I-1.yaml"] = {
        "id": "I-1",
        "title": "I-1",
        "noticed": "2026-11-01T12:00:00+02:00",
        "services": ["hidden", "base"],
        "risks": ["R-1"],
        "actions": ["A-incident", "A-secret"],
    }
    records["approvals/2026-11-01.yaml"] = {
        "on": DAY,
        "by": "chief",
        "decision_ref": "1 §",
        "risks": [{"id": id_, "state": "0" * 64} for id_ in RISKS],
    }
    files = {name: yaml.safe_dump(one) for name, one in records.items()}
    lay_out(tmp_path, {"kyber.yaml": SETTINGS, "people.yaml": PEOPLE, **files})
    found, problems = read_workspace(tmp_path, DAY)
    assert not [(one.place.file, one.code, one.facts) for one in problems if one.severity == "error"]
    return found


def test_what_belongs_to_secrets_alone_goes_with_them(whole: Snapshot) -> None:
    assert hidden(whole, without_secrets(whole)) == {
        *(
            "R-1",
            "hidden",
            "C-secret",
            "A-exercise",
            "P-named",
            "P-of",
            "loki-named",
            "loki-name",
            "loki-of",
            "E-1",
            "T-1",
            "T-3",
        )
    }


def test_what_an_incident_asks_for_stays_where_incidents_are_shown(whole: Snapshot) -> None:
    assert "A-secret" in {one.id for one in without_secrets(whole).risks.actions}
    shown = public(whole)
    assert "A-secret" not in {one.id for one in shown.risks.actions}
    assert "A-incident" not in {one.id for one in shown.risks.actions}
    assert {"A-both", "A-nobody"} <= {one.id for one in shown.risks.actions}
    assert shown.incidents == ()


@pytest.mark.parametrize("shown", [without_secrets, public])
def test_nothing_that_is_left_names_what_is_gone(whole: Snapshot, shown: object) -> None:
    assert callable(shown)
    left: Snapshot = shown(whole)
    gone = hidden(whole, left)
    named = {one.id for record in left.records for one in references(record)}
    assert gone
    assert not gone & named
    assert NAMED.upper() not in named
    assert {"R-2", "open", "base", "A-both", "C-both"} <= named


def test_a_need_that_may_not_be_shown_goes_whole_and_the_others_stay(whole: Snapshot) -> None:
    services = {one.id: one for one in without_secrets(whole).continuity.services}
    assert [need.id for need in services["open"].depends_on] == ["base"]
    assert without_secrets(whole).continuity.graph.services.keys() == services.keys()


def test_contacts_and_addresses_are_for_nobody_on_the_intranet(whole: Snapshot) -> None:
    assert any(one.contacts for one in without_secrets(whole).continuity.plans)
    assert not any(one.contacts for one in public(whole).continuity.plans)


def test_without_secrets_everything_stays_as_it_is(whole: Snapshot) -> None:
    bare = without_secrets(whole)
    assert without_secrets(bare) is bare


def test_a_text_tells_of_a_secret_by_its_id_name_or_title_as_a_whole(whole: Snapshot) -> None:
    tells = telling(whole, without_secrets(whole))
    assert all(map(tells, ("R-1", "(R-1).", f"of {NAMED.upper()}, too", ["x", ("hidden",)])))
    assert not any(map(tells, ("R-2", "R-12", "hidden-too", "Moon", 1, None)))
    assert not telling(whole, whole)("R-1")


def test_who_waits_for_a_secret_service_takes_as_long_and_loses_as_much_without_naming_it(whole: Snapshot) -> None:
    register, bare = whole.continuity, without_secrets(whole).continuity
    assert bare.recoveries.keys() == bare.losses.keys() == {"open", "base"}
    for id_, found in bare.recoveries.items():
        was = register.recoveries[id_]
        assert (found.achievable, found.serial, found.is_open, found.is_guess) == (
            *(was.achievable, was.serial, was.is_open, was.is_guess),
        )
        assert bare.losses[id_].largest == register.losses[id_].largest
    assert bare.recoveries["open"].achievable >= 5 * 3_600
    assert bare.losses["open"].largest == 2 * 86_400
    assert "hidden" not in repr((bare.recoveries, bare.losses))
