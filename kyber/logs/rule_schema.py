"""The JSON Schemas of rule files and of the files of tests beside them, for editors that complete and check.

Sources: the Sigma specification 2.1.0 (rules, correlations) and its filters 2.0.0. What kyber adds is under `kyber`.
A schema says what a file is made of. What it means is looked at by `kyber rules lint`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kyber.finding import Family
from kyber.level import Level
from kyber.logs.formats.known import FORMATS
from kyber.logs.rule_tests import Provenance
from kyber.logs.sigma.correlation import MAX_REFERENCES, MAX_TIMES, NUMERIC, OPERATORS, TEMPORAL, Awaits, Kind
from kyber.logs.sigma.detection import MODIFIERS
from kyber.logs.sigma.filters import MAX_MUST_FIRE
from kyber.logs.sigma.lint_heading import MAX_TITLE, STATUSES
from kyber.text import LANGUAGES

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string", "pattern": r"\S"}
_SCALAR: Final[Schema] = {"type": ["string", "number", "boolean", "null"]}
_DAY: Final[Schema] = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}


def _about(text: str, **schema: Any) -> Schema:
    return {"description": text, **schema}


def _listed(item: Mapping[str, Any], **more: Any) -> Schema:
    return {"type": "array", "items": dict(item), **more}


def _one_or_more(item: Mapping[str, Any], **more: Any) -> Schema:
    return {"anyOf": [dict(item), _listed(item, minItems=1, **more)]}


def _texts(text: str, languages: Iterable[str]) -> Schema:
    return _about(text, type="object", properties=dict.fromkeys(languages, _TEXT), additionalProperties=False)


# --- what stands above a detection -----------------------------------------------------------------------------------

_HEADING: Final[Schema] = {
    "title": _about("What the rule finds, in a few words.", **_TEXT, maxLength=MAX_TITLE),
    "id": _about("A UUID, given once and never changed.", type="string", pattern="^[0-9a-fA-F-]{36}$"),
    "name": _about("A name by which correlations and filters call the rule; also the name of its file.", **_TEXT),
    "related": _about(
        "Other rules that this one has to do with.",
        **_listed({"type": "object", "required": ["id", "type"], "properties": {"id": _TEXT, "type": _TEXT}}),
    ),
    "taxonomy": _about("Whose names of fields the rule uses; sigma where it says nothing.", **_TEXT),
    "status": _about("How far the rule has come.", enum=list(STATUSES)),
    "description": _about("What it finds and why that matters.", type="string"),
    "license": _about("The licence of the rule, by its SPDX name.", **_TEXT),
    "author": _about("Who wrote it.", **_TEXT),
    "references": _about("Where to read more.", **_listed({"type": "string"})),
    "date": _about("When it was written, as 2026-01-31.", **_DAY),
    "modified": _about("When it was last changed, as 2026-01-31.", **_DAY),
    "level": _about("How serious a match is.", enum=[str(level) for level in Level]),
    "tags": _about(
        "Tactics and techniques of ATT&CK, as attack.initial-access and attack.t1059.001, and other tags.",
        **_listed({"type": "string", "pattern": r"^[a-z0-9_-]+\.[a-z0-9._-]+$"}),
    ),
    "falsepositives": _about("What harmless things it may also find.", **_one_or_more({"type": "string"})),
    "fields": _about("Fields that are worth a look.", **_listed({"type": "string"})),
    "scope": _about("Where it is meant to run.", **_listed({"type": "string"})),
    "logsource": _about(
        "Which events the rule sees; kyber logs fields shows what each product's mean.",
        type="object",
        minProperties=1,
        properties={
            "product": _about("For example windows, linux.", **_TEXT),
            "category": _about("For example process_creation.", **_TEXT),
            "service": _about("For example sshd, security.", **_TEXT),
            "definition": _about("What has to be set up for these logs to be written.", type="string"),
        },
    ),
}


# --- detections, correlations, filters -------------------------------------------------------------------------------


def _selections(text: str, required: Iterable[str], **properties: Schema) -> Schema:
    return _about(
        text,
        type="object",
        required=list(required),
        properties=properties,
        additionalProperties={"$ref": "#/$defs/selection"},
    )


_CONDITION: Final[Schema] = _about(
    "How the selections are joined, as: selection and not 1 of filter_*.", **_one_or_more(_TEXT)
)
_DETECTION: Final = _selections(
    "Selections by name, and the condition that joins them.",
    ("condition",),
    condition=_CONDITION,
    timeframe=_about("Left Sigma with version 2, and is not read.", type="string"),
)
_FILTER: Final = _selections(
    "The rules from which events are taken out, and which events.",
    ("rules", "condition"),
    rules=_about("Ids or names of rules, or any: every rule of this logsource.", **_one_or_more(_TEXT)),
    condition=_CONDITION,
)
_DEFS: Final[Schema] = {
    "values": _one_or_more(_SCALAR),
    "fields": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": rf"^[^|]*(\|({'|'.join(sorted(MODIFIERS))}))*$"},
        "additionalProperties": {"$ref": "#/$defs/values"},
    },
    "selection": _about(
        "Fields with values: all fields must hold, and one value of each. A list: one of its parts, or keywords.",
        anyOf=[
            {"$ref": "#/$defs/fields"},
            {"type": ["string", "number"]},
            _listed({"anyOf": [{"$ref": "#/$defs/fields"}, {"type": ["string", "number"]}]}, minItems=1),
        ],
    ),
}
_BOUNDS: Final[Schema] = {one: {"type": "number"} for one in OPERATORS}
_CORRELATION: Final[Schema] = {
    **_about("What is asked of many events that other rules match."),
    "type": "object",
    "required": ["type", "rules", "timespan"],
    "additionalProperties": False,
    "properties": {
        "type": _about("What is counted or measured.", enum=[str(kind) for kind in Kind]),
        "rules": _about("Ids or names of rules.", **_one_or_more(_TEXT, maxItems=MAX_REFERENCES)),
        "aliases": _about(
            "A name, and the field that it means in each rule.",
            type="object",
            additionalProperties={"type": "object", "additionalProperties": _TEXT},
        ),
        "group-by": _about("Fields; each combination of values is judged by itself.", **_one_or_more(_TEXT)),
        "timespan": _about(
            "How long the window is: a number and s, m, h, d, w, M or y, as 15m.",
            type="string",
            pattern=r"^[0-9]+(\.[0-9]+)? ?[smhdwMy]$",
        ),
        "condition": _about(
            "What the count or number must come to; several bounds make a range.",
            anyOf=[
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": False,
                    "properties": {
                        **_BOUNDS,
                        "field": _about("What the value kinds look at.", **_one_or_more(_TEXT)),
                        "percentile": {"type": "number", "minimum": 0, "maximum": 100},
                    },
                },
                _about("An expression, which kyber does not run.", type="string"),
            ],
        ),
        "field": _about("What the value kinds look at.", **_one_or_more(_TEXT)),
        "percentile": {"type": "number", "minimum": 0, "maximum": 100},
        "generate": _about("Whether its rules alert on their own, too.", type="boolean"),
    },
    "allOf": [
        {
            "if": {"properties": {"type": {"enum": sorted(set(map(str, Kind)) - set(map(str, TEMPORAL)))}}},
            "then": {"required": ["condition"]},
        },
        {
            "if": {"properties": {"type": {"const": str(Kind.VALUE_PERCENTILE)}}, "required": ["type"]},
            "then": {
                "anyOf": [
                    {"required": ["percentile"]},
                    {"properties": {"condition": {"type": "object", "required": ["percentile"]}}},
                ]
            },
        },
        {
            "if": {"properties": {"type": {"enum": sorted(map(str, (*NUMERIC, Kind.VALUE_COUNT)))}}},
            "then": {
                "anyOf": [
                    {"required": ["field"]},
                    {"properties": {"condition": {"type": ["object", "string"], "required": ["field"]}}},
                ]
            },
        },
    ],
}
_OWN: Final[Schema] = {
    **_about("What is kyber's own, and no part of Sigma."),
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "family": _about("Which picture the rule belongs to.", enum=[str(one) for one in Family]),
        "title": _texts("The title in other languages.", LANGUAGES),
        "next": _texts("What to do next, by language, in one to three sentences.", LANGUAGES),
        "ground": _about(
            "Why this may and must be followed.",
            type="object",
            required=["law", "mark"],
            additionalProperties=False,
            properties={
                "law": _TEXT,
                "words": _about("The substance, in English.", **_TEXT),
                "mark": _about("How surely the words are known.", enum=["seen", "reference only"]),
            },
        ),
        "owner": _about("The role that answers; of a filter, a role or person of people.yaml.", **_TEXT),
        "silent_after": _about(
            "A correlation of absence: times its usual interval that a source may be silent.",
            type="number",
            minimum=1,
            maximum=MAX_TIMES,
        ),
        "awaits": _about("A correlation of absence: who is expected.", enum=[str(one) for one in Awaits]),
        "expires": _about("A filter: the last day on which it holds, as 2026-12-31.", **_DAY),
        "must_fire": _about(
            "A filter: events, by the names that rules give their fields, that must still be found.",
            **_listed({"type": "object", "minProperties": 1}, maxItems=MAX_MUST_FIRE),
        ),
    },
}


def schema_of_rules() -> Schema:
    """The schema of one document of a rule file: a rule, a correlation or a filter."""
    return {
        "$schema": DRAFT,
        "title": "kyber rule",
        "description": "A Sigma rule, correlation or filter, with what kyber adds under the key kyber.",
        "type": "object",
        "required": ["title"],
        "properties": {
            **_HEADING,
            "detection": _DETECTION,
            "correlation": _CORRELATION,
            "filter": _FILTER,
            "generate": _about("Of a correlation: whether its rules alert on their own, too.", type="boolean"),
            "kyber": _OWN,
        },
        "anyOf": [{"required": ["detection", "logsource"]}, {"required": ["correlation"]}, {"required": ["filter"]}],
        "allOf": [{"if": {"required": ["filter"]}, "then": {"required": ["logsource"]}}],
        "$defs": _DEFS,
    }


# --- tests beside a rule ---------------------------------------------------------------------------------------------

INPUT: Final[Mapping[str, Schema]] = {
    "format": _about("What the records are; otherwise their content tells.", enum=list(FORMATS)),
    "source": _about("The id of the registered source that sent them.", **_TEXT),
    "zone": _about("The time zone of times that carry none; otherwise UTC.", **_TEXT),
    "product": _about("What they are declared to be.", **_TEXT),
    "category": _about("What they are declared to be.", **_TEXT),
    "service": _about("What they are declared to be.", **_TEXT),
    "columns": _about("What columns of delimited text are called.", type="object", additionalProperties=_TEXT),
    "starts": _about("A regular expression that the first line of a record matches.", **_TEXT),
}
AWAITED: Final[Mapping[str, Schema]] = {
    "source": _about("The id of the source.", **_TEXT),
    "hosts": _about("Its hosts.", **_listed(_TEXT)),
    "product": _about("What its events are.", **_TEXT),
    "category": _about("What its events are.", **_TEXT),
    "service": _about("What its events are.", **_TEXT),
    "every": _about("How long it may be silent, as 1 d.", type=["string", "number"]),
}
TEST: Final[Mapping[str, Schema]] = {
    "name": _about("What happened, as a sentence; given once in the file.", **_TEXT),
    "rule": _about("The name or id of the rule that is meant, where the file beside holds several.", **_TEXT),
    "origin": _about("Where the records come from.", enum=[str(one) for one in Provenance]),
    "source": _about("Where the form of the records comes from.", **_TEXT),
    "input": _about(
        "What the records are.",
        type="object",
        additionalProperties=False,
        properties=dict(INPUT),
    ),
    "lines": _about("Raw records as they stand in a log, one text each.", **_listed({"type": "string"})),
    "events": _about("In place of lines: fields and their values.", **_listed({"type": "object"})),
    "expect": _about(
        "match: one event (of a correlation, one finding); miss; or how many events.",
        anyOf=[{"enum": ["match", "miss"]}, {"type": "integer", "minimum": 1}],
    ),
    "as_of": _about("When absence is judged, with its offset, as 2026-03-04T10:00:00+02:00.", **_TEXT),
    "awaited": _about(
        "Sources from which events are expected.",
        **_listed(
            {
                "anyOf": [
                    _TEXT,
                    {
                        "type": "object",
                        "required": ["source"],
                        "additionalProperties": False,
                        "properties": dict(AWAITED),
                    },
                ]
            }
        ),
    ),
}


def schema_of_tests() -> Schema:
    """The schema of a file of tests beside a rule, NAME.tests.yaml."""
    return {
        "$schema": DRAFT,
        "title": "kyber rule tests",
        "description": "Records, and what the rule of the file beside says of them.",
        "type": "object",
        "required": ["tests"],
        "additionalProperties": False,
        "properties": {
            "tests": _listed(
                {
                    "type": "object",
                    "required": ["name", "origin", "source", "expect"],
                    "oneOf": [{"required": ["lines"]}, {"required": ["events"]}],
                    "additionalProperties": False,
                    "properties": dict(TEST),
                },
                minItems=1,
            )
        },
    }
