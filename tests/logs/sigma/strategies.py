"""Random Sigma rules with events that they could hit: out of `cases()` come (rule, events), sharing one small alphabet.

Rules use `PLACEHOLDERS` where they expand, and fields out of `FIELDS`. Every rule is one that Sigma accepts. Most of an
event's values echo what the rule asks for there, wildcards filled and letters turned, so that both answers are common.
"""

import base64
from typing import Any

from hypothesis import strategies as st

from tests.reference import DASHES, Wild, pattern_of

FIELDS = ("A", "B", "C", "D.E")
PLACEHOLDERS = {"one": ["ab"], "two": ["a", "b*"], "none": []}
SELECTIONS = ("sel", "sel_2", "filter", "_hidden")

# Letters whose case is a trap: Kelvin sign, dotted and dotless i, long s, sharp s, both small sigmas, one beyond ASCII.
LETTERS = ["a", "A", "b", "B", "ab", "k", "K", "\u212a", "i", "I", "\u0130", "\u0131", "s", "\u017f", "ß", "ẞ"]
LETTERS += ["σ", "ς", "Σ", "ä", "Ä", "\U0001f600"]
SIGNS = ["\\", "\\\\", " ", ".", "%", "[a]", "{b}", "\n", "1", "-", "-a", " -b", " /b", "–a", "—ab", "―b", "--a", "a-b"]
WILDCARDS = ["*", "?", "\\*", "\\?", "\\\\*", "\\\\\\*", "*a", "a*", "?b"]

NUMBERS: list[int | float] = [0, 1, 2, 10, -1, 0.5, 1.5, -2.25, 4625, 9007199254740992, 9007199254740993]
NUMERIC_TEXTS = [
    "0",
    "1",
    "1.0",
    "01",
    "+1",
    " 1",
    "1e0",
    "10e-1",
    "0x1",
    "-1",
    "1.5",
    "0.50",
    "4625",
    "1_0",
    "\u0661",
    ".",
]
NUMERIC_TEXTS += ["9007199254740992", "9007199254740993", "inf", "nan", "true", "False", "null"]
NETWORKS = ["10.0.0.0/8", "10.1.2.0/23", "10.1.2.3/32", "0.0.0.0/0", "192.168.1.1", "fe80::/10", "::/0", "::1/128"]
NETWORKS += ["::ffff:0:0/96"]
ADDRESSES = ["10.1.2.3", "10.1.3.255", "10.1.4.0", "192.168.1.1", "11.0.0.0", "::1", "FE80::1", "fec0::", "0:0::0:1"]
ADDRESSES += ["::ffff:10.1.2.3", "10.1.2", "10.1.2.3 ", "010.1.2.3", "localhost", ""]
TIMES: list[str | int | float] = ["2024-02-29T23:07:59Z", "2024-02-29T23:07:59.123456+02:00", "2021-01-01 00:30:00"]
TIMES += ["2020-12-31T23:59:59-05:00", "2024-06-01", 1700000000, 1700000000.5, "1700000000", 0, "24:00", "yesterday"]
TIME_NUMBERS = {
    "minute": [0, 7, 30, 59],
    "hour": [0, 1, 21, 22, 23],
    "day": [1, 29, 31],
    "week": [1, 9, 53],
    "month": [1, 2, 6, 12],
    "year": [1970, 2020, 2021, 2024],
}
# Letters here have no relatives beyond ASCII, so that every engine agrees on what `i` does.
REGEX_PARTS = [
    "a",
    "b",
    "A",
    "ab",
    "a*",
    "b+",
    "[ab]",
    "[^a]",
    ".",
    ".*",
    "(a|b)",
    "(?:ab)?",
    "a{1,2}",
    r"\d",
    r"\w",
    r"\s",
]
REGEX_PARTS += [r"\S", r"\b", r"\.", r"\\", r"\*", " ", "-"]
LOOK_AROUND = ["(?<!a)b", "(?<=a)b", "a(?=b)", "a(?!b)", r"(a)\1"]


def joined(parts: list[str], *, most: int, least: int = 0) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(parts), min_size=least, max_size=most).map("".join)


rule_texts = joined(LETTERS + SIGNS + WILDCARDS, most=4)
plain_texts = joined(["a", "B", "ab", "ä", "1", " ", "-b", "\U0001f600"], least=1, most=4)
log_texts = joined(LETTERS + SIGNS + ["*", "?", "\t", "\x0b", "\u00a0"], most=5)
scalars: st.SearchStrategy[Any] = st.one_of(
    log_texts,
    st.sampled_from([*NUMBERS, *NUMERIC_TEXTS, *ADDRESSES, *TIMES]),
    st.booleans(),
    st.none(),
)


@st.composite
def regexes(draw: st.DrawFn) -> str:
    middle = draw(joined([*REGEX_PARTS, *LOOK_AROUND], least=1, most=3))
    alternative = draw(st.sampled_from(["", "", "|ab", "|^b"]))
    return draw(st.sampled_from(["", "", "^"])) + middle + draw(st.sampled_from(["", "", "$"])) + alternative


@st.composite
def items(draw: st.DrawFn, field: str) -> tuple[str, Any]:
    """`field|modifiers` and its values; an empty field makes keywords."""
    kinds = ["text", "text", "text", "regex", "base64", "expand", "number"]
    if field:
        kinds += ["typed", "compare", "time", "cidr", "exists", "fieldref"]
    kind = draw(st.sampled_from(kinds))
    modifiers: list[str] = []
    values: st.SearchStrategy[Any]
    around = st.sampled_from([[], ["contains"], ["startswith"], ["endswith"]])
    match kind:
        case "text":
            values = rule_texts
            modifiers += draw(around)
            if draw(st.integers(0, 3)) == 0:
                modifiers.insert(draw(st.integers(0, len(modifiers))), "windash")
        case "regex":
            values = regexes()
            modifiers += ["re", *draw(st.sampled_from([[], ["i"], ["m"], ["s"], ["i", "m", "s"]]))]
        case "base64":
            values = plain_texts
            modifiers += draw(st.sampled_from([[], ["wide"], ["utf16le"], ["utf16be"], ["utf16"]]))
            modifiers += draw(st.sampled_from([["base64"], ["base64offset", "contains"], ["base64", "startswith"]]))
        case "expand":
            values = joined(["%one%", "%two%", "%one%", "a", "-", "*", "%"], least=1, most=3).filter(resolves)
            modifiers += draw(st.permutations([*draw(around), "expand"]))
        case "number":
            values = st.sampled_from(NUMBERS)
            modifiers += draw(around) if draw(st.booleans()) else []
        case "typed":
            values = st.one_of(
                st.none(), st.booleans(), st.sampled_from(["", "*", "?*"]), st.sampled_from(NUMERIC_TEXTS)
            )
        case "compare":
            values = st.sampled_from(NUMBERS)
            modifiers.append(draw(st.sampled_from(["lt", "lte", "gt", "gte"])))
        case "time":
            part = draw(st.sampled_from(sorted(TIME_NUMBERS)))
            values = st.sampled_from(TIME_NUMBERS[part])
            modifiers += [part, *draw(st.sampled_from([[], ["lt"], ["lte"], ["gt"], ["gte"]]))]
        case "cidr":
            values = st.sampled_from(NETWORKS)
            modifiers.append("cidr")
        case "exists":
            values = st.booleans()
            modifiers.append("exists")
        case _:
            values = st.sampled_from([*FIELDS, "missing"])
            modifiers += ["fieldref", *draw(around)]
    if kind in ("text", "expand", "fieldref") and draw(st.integers(0, 3)) == 0:
        modifiers.append("cased")
    chosen = draw(st.one_of(values, st.lists(values, min_size=1, max_size=3)))
    if kind != "exists" and isinstance(chosen, list) and draw(st.integers(0, 2)) == 0:
        modifiers.append("all")
    if field and draw(st.integers(0, 5)) == 0:
        modifiers.append("neq")
    return "|".join([field, *modifiers]), chosen


def resolves(text: str) -> bool:
    """Whether every `%…%` in the text, read from the left, is a placeholder that is filled."""
    while text.count("%") >= 2:
        name, text = text.split("%", 2)[1:]
        if name and name not in PLACEHOLDERS:
            return False
        if not name:
            text = "%" + text
    return True


@st.composite
def maps(draw: st.DrawFn) -> dict[str, Any]:
    fields = draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3))
    return dict(draw(items(field)) for field in fields)


@st.composite
def keywords(draw: st.DrawFn) -> Any:
    if draw(st.booleans()):
        return draw(st.lists(st.one_of(rule_texts, st.sampled_from(NUMBERS)), min_size=1, max_size=3))
    key, values = draw(items("").filter(lambda item: item[0] != ""))
    return {key: values}


selections = st.one_of(maps(), maps(), maps(), st.lists(maps(), min_size=1, max_size=3), keywords())


@st.composite
def conditions(draw: st.DrawFn, names: list[str]) -> str:
    """A condition over these names, with few parentheses, so that precedence matters."""
    patterns = [*names, "_h*", "sel*", "*"] if "_hidden" in names else [*names, "sel*", "*"]
    usable = [one for one in patterns if one != "sel*" or "sel" in names]
    usable += ["them"]
    if all(name.startswith("_") for name in names):
        usable = [one for one in usable if one.startswith("_")]
    leaves = st.one_of(
        st.sampled_from(names),
        st.builds(
            "{} {} {}".format,
            st.sampled_from(["1", "any", "all", "ALL"]),
            st.sampled_from(["of", "OF"]),
            st.sampled_from(usable),
        ),
    )
    operators = st.sampled_from(["and", "or", "AND", "Or"])
    return draw(
        st.recursive(
            leaves,
            lambda inner: st.one_of(
                st.builds("{} {} {}".format, inner, operators, inner),
                st.builds("not {}".format, inner),
                st.builds("NOT ({})".format, inner),
                st.builds("({})".format, inner),
            ),
            max_leaves=4,
        )
    )


def asked_for(selection: Any) -> list[tuple[str, str, Any]]:
    """Every (field, modifiers, value) in a selection."""
    if isinstance(selection, list):
        return [found for part in selection for found in asked_for(part)]
    if not isinstance(selection, dict):
        return [("", "", selection)]
    found = []
    for key, values in selection.items():
        field, _, modifiers = key.partition("|")
        found += [(field, modifiers, value) for value in (values if isinstance(values, list) else [values])]
    return found


@st.composite
def echoes(draw: st.DrawFn, modifiers: str, value: Any) -> Any:
    """A log value that the rule's value may well hit."""
    if not isinstance(value, str):
        if isinstance(value, bool | int | float) and draw(st.booleans()):
            return str(value)
        return value
    names = modifiers.split("|")
    little = joined(["", "a", "b", " ", "\n"], most=2)
    if "cidr" in names:
        return draw(st.sampled_from(ADDRESSES))
    if "re" in names:
        return draw(joined(["a", "b", "A", "B", "1", " ", "\n", ".", "-", "ab\n"], most=5))
    if "base64" in modifiers:
        encoding = {"wide": "utf-16-le", "utf16le": "utf-16-le", "utf16be": "utf-16-be"}.get(names[0], "utf-8")
        data = value.encode("utf-16-le") if names[0] == "utf16" else value.encode(encoding)
        data = (b"\xff\xfe" if names[0] == "utf16" else b"") + data
        if "base64offset" in names:
            data = b"xyz"[: draw(st.integers(0, 3))] + data + b"xyz"[: draw(st.integers(0, 3))]
        return base64.b64encode(data).decode()
    for name, fills in PLACEHOLDERS.items():
        if "expand" in names and fills:
            value = value.replace(f"%{name}%", draw(st.sampled_from(fills)))
    text = ""
    for part in pattern_of(value):
        if part is Wild.ANY:
            text += draw(little)
        elif part is Wild.ONE:
            text += draw(st.sampled_from("ab\n\U0001f600"))
        elif part in tuple(DASHES) and "windash" in names:
            text += draw(st.sampled_from(DASHES))
        else:
            text += str(part)
    if draw(st.integers(0, 2)) == 0:
        text = draw(st.sampled_from([text.upper(), text.lower(), text.swapcase()]))
    if {"contains", "endswith"} & set(names) or draw(st.integers(0, 5)) == 0:
        text = draw(little) + text
    if {"contains", "startswith"} & set(names) or draw(st.integers(0, 5)) == 0:
        text += draw(little)
    return text


@st.composite
def events(draw: st.DrawFn, asked: list[tuple[str, str, Any]]) -> dict[str, Any]:
    """An event whose fields echo what is asked of them, hold something else, or are missing."""
    event: dict[str, Any] = {}
    for field in FIELDS:
        wanted = [(modifiers, value) for at, modifiers, value in asked if at in (field, "")]
        fate = draw(st.integers(0, 9))
        if fate == 0:
            continue
        values = scalars
        if wanted:
            values = st.sampled_from(wanted).flatmap(lambda one: echoes(*one))
            if fate < 3:
                values = scalars
        if fate == 9:
            event[field] = draw(st.lists(st.one_of(values, scalars), max_size=3))
        else:
            event[field] = draw(values)
    return event


@st.composite
def detections(draw: st.DrawFn) -> tuple[dict[str, Any], list[tuple[str, str, Any]]]:
    """Selections and a condition, and what they ask."""
    names = draw(st.lists(st.sampled_from(SELECTIONS), min_size=1, max_size=3, unique=True))
    detection: dict[str, Any] = {name: draw(selections) for name in names}
    asked = [found for name in names for found in asked_for(detection[name])]
    written = draw(st.one_of(conditions(names), st.lists(conditions(names), min_size=1, max_size=2)))
    return {**detection, "condition": written}, asked


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A rule and one to six flat events."""
    detection, asked = draw(detections())
    rule = {"title": "generated", "logsource": {"product": "test"}, "detection": detection}
    return rule, draw(st.lists(events(asked), min_size=1, max_size=6))


@st.composite
def filtered_cases(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """One or two rules, filters over some of them, and flat events that echo what all of them ask."""
    drawn = draw(st.lists(detections(), min_size=1, max_size=2))
    asked = [one for _, wanted in drawn for one in wanted]
    head = {"title": "generated", "logsource": {"product": "test"}}
    rules = [{**head, "id": f"rule-{number}", "detection": detection} for number, (detection, _) in enumerate(drawn)]
    filters = []
    for number in range(draw(st.integers(1, 3))):
        detection, wanted = draw(detections())
        asked += wanted
        named = draw(st.one_of(st.just("any"), st.lists(st.sampled_from([one["id"] for one in rules]), min_size=1)))
        filters.append({**head, "id": f"filter-{number}", "filter": {"rules": named, **detection}})
    return rules, filters, draw(st.lists(events(asked), min_size=1, max_size=6))
