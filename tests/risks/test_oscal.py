"""The plan of action and milestones: what OSCAL 1.1.3 requires of the parts that are written, held against them."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from kyber.risks.oscal import poam
from tests.risks.county import RISK, lay_out, register

NOW = datetime.fromisoformat("2026-11-10T09:00:00+02:00")
UUID = r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[45][0-9A-Fa-f]{3}-[89ABab][0-9A-Fa-f]{3}-[0-9A-Fa-f]{12}"
STRING = r"\S(.*\S)?"
TOKEN = r"(\w|_)[\w.-]*"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
URI = r"[a-zA-Z][a-zA-Z0-9+.-]+:.+"
PROP = {"name!": TOKEN, "value!": STRING, "ns": URI}
STATE = {"name!": "state", "value!": "initial|adjusted"}
SEEN = [{"observation-uuid!": UUID}]
# A key with `!` is required; any other may be there, and none else. A list holds at least one.
SCHEMA: dict[str, Any] = {
    "plan-of-action-and-milestones!": {
        "uuid!": UUID,
        "metadata!": {
            "title!": STRING,
            "last-modified!": MOMENT,
            "version!": STRING,
            "oscal-version!": r"1\.1\.\d",
            "roles": [{"id!": TOKEN, "title!": STRING}],
            "parties": [{"uuid!": UUID, "type!": "person|organization", "name!": STRING}],
        },
        "system-id": {"identifier-type": URI, "id!": STRING},
        "observations": [
            {"uuid!": UUID, "description!": STRING, "methods!": ["EXAMINE"], "types": [TOKEN], "collected!": MOMENT}
        ],
        "risks": [
            {
                "uuid!": UUID,
                "title!": STRING,
                "description!": r"(?s).+",
                "statement!": r"(?s).+",
                "props": [PROP],
                "status!": "open|investigating|remediating|deviation-requested|deviation-approved|closed",
                "characterizations": [
                    {
                        "props": [PROP],
                        "origin!": {"actors!": [{"type!": "tool|assessment-platform|party", "actor-uuid!": UUID}]},
                        "facets!": [
                            {"name!": TOKEN, "system!": URI, "value!": STRING, "props": [STATE]}
                        ],
                    }
                ],
                "mitigating-factors": [{"uuid!": UUID, "description!": r"(?s).+", "props": [PROP]}],
                "deadline": MOMENT,
                "remediations": [
                    {
                        "uuid!": UUID,
                        "lifecycle!": "recommendation|planned|completed",
                        "title!": STRING,
                        "description!": r"(?s).+",
                        "props": [PROP],
                        "tasks": [
                            {
                                "uuid!": UUID,
                                "type!": "milestone|action",
                                "title!": STRING,
                                "timing": {"on-date": {"date!": MOMENT}},
                            }
                        ],
                    }
                ],
                "related-observations": SEEN,
            }
        ],
        "poam-items!": [
            {
                "uuid": UUID,
                "title!": STRING,
                "description!": r"(?s).+",
                "props": [PROP],
                "related-observations": SEEN,
                "related-risks": [{"risk-uuid!": UUID}],
            }
        ],
    }
}  # fmt: skip


def wrong(schema: Any, value: Any, where: str = "") -> list[str]:
    """Where a document is not as the schema has it."""
    if isinstance(schema, str):
        return [] if isinstance(value, str) and re.fullmatch(schema, value) else [f"{where} {value!r}"]
    if isinstance(schema, list):
        if not isinstance(value, list) or not value:
            return [f"{where}: an empty list"]
        return [found for at, item in enumerate(value) for found in wrong(schema[0], item, f"{where}[{at}]")]
    needed = {key.removesuffix("!") for key in schema if key.endswith("!")}
    known = {key.removesuffix("!"): inside for key, inside in schema.items()}
    found = [f"{where}: {key}" for key in (needed - value.keys()) | (value.keys() - known.keys())]
    return found + [
        each for key, item in value.items() if key in known for each in wrong(known[key], item, f"{where}.{key}")
    ]


def written(folder: Path) -> dict[str, Any]:
    found = register(folder)
    return poam(found, found.risks, NOW, "1")


def test_a_register_is_a_plan_as_oscal_requires(tmp_path: Path) -> None:
    folder = lay_out(tmp_path)
    file = folder / "risks/R-001-a-stolen-account.yaml"
    file.write_text(
        RISK.replace("impact: {privacy: 4}}}", "impact: {privacy: 4}}, evidence: A drill}"), encoding="utf-8"
    )
    (folder / "risks/R-002-x.yaml").write_text(
        "id: R-002\ntitle: T\nstatus: preliminary\nidentified_in: workshop\n", encoding="utf-8"
    )
    assert wrong(SCHEMA, written(folder)) == []


def test_the_schema_of_this_test_finds_what_is_wrong(tmp_path: Path) -> None:
    document = written(lay_out(tmp_path))
    plan = document["plan-of-action-and-milestones"]
    del plan["metadata"]["version"]
    plan["risks"][0]["status"] = "treating"
    plan["risks"][0]["colour"] = "red"
    assert len(wrong(SCHEMA, document)) == 3


def test_what_refers_to_something_refers_to_what_is_there_and_no_uuid_stands_twice(tmp_path: Path) -> None:
    plan = written(lay_out(tmp_path))["plan-of-action-and-milestones"]
    risks = {one["uuid"] for one in plan["risks"]}
    parties = {one["uuid"] for one in plan["metadata"]["parties"]}
    actors = {a["actor-uuid"] for one in plan["risks"] for c in one["characterizations"] for a in c["origin"]["actors"]}
    assert {one["risk-uuid"] for item in plan["poam-items"] for one in item["related-risks"]} <= risks
    assert actors <= parties
    uuids = [one["uuid"] for key in ("risks", "poam-items") for one in plan[key]]
    assert len(set(uuids)) == len(uuids)


def test_the_same_register_gives_the_same_document(tmp_path: Path) -> None:
    folder = lay_out(tmp_path)
    assert written(folder) == written(folder)


def test_levels_classes_actions_and_controls_are_said(tmp_path: Path) -> None:
    (risk,) = written(lay_out(tmp_path))["plan-of-action-and-milestones"]["risks"]
    current = next(one for one in risk["characterizations"] if one["props"][0]["value"] == "current")
    assert [(one["name"], one["value"]) for one in current["facets"]] == [
        *(("likelihood", "3"), ("impact-privacy", "4"), ("impact-reputation", "3"), ("level", "major")),
    ]
    assert risk["mitigating-factors"][0]["description"] == "A second factor"
    assert risk["remediations"][0]["tasks"][0]["timing"]["on-date"]["date"] == "2027-03-31T00:00:00+03:00"
