"""A query evaluated slowly and obviously: a tree and one flat event in, yes or no out. It pins the columnar search.

What Sigma can say is asked of Sigma's reference evaluator, as a rule with one line; ranges and times are worked out
here. Nothing here is shared with `kyber.logs.search` but the syntax tree.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

from kyber.logs.search.query import And, Ask, Not, Or, Pattern, Range, Syntax, Text
from kyber.logs.sigma.predicate import Wild
from tests import reference


def holds(tree: Syntax, event: Mapping[str, Any], zone: tzinfo) -> bool:
    """Whether the event is one that the query asks for; `zone` is that of days and of times without an offset."""
    match tree:
        case Ask():
            return asked(tree, event, zone)
        case Not(part):
            return not holds(part, event, zone)
        case And(parts):
            return all(holds(part, event, zone) for part in parts)
        case Or(parts):
            return any(holds(part, event, zone) for part in parts)


def asked(ask: Ask, event: Mapping[str, Any], zone: tzinfo) -> bool:
    if ask.field in ("time", "@timestamp"):
        time = reference.moment_of(event.get("@timestamp"), zone)
        if not isinstance(ask.value, Range):
            return time is not None
        return time is not None and in_time(time, ask.value, zone)
    spellings = [ask.field, *sorted(name for name in event if name != ask.field and name.lower() == ask.field.lower())]
    name = next((name for name in spellings if name in event), "")
    if isinstance(ask.value, Range):
        if not name:
            return False
        elements = event[name] if isinstance(event[name], list) else [event[name]]
        return any(lies(one, ask.value, zone) for one in elements if one is not None)
    if ask.field and not name:
        return False
    selection: Any = {f"{name}{modifiers(ask)}": sigma(ask)}
    if not ask.field:
        selection = {modifiers(ask): sigma(ask)} if isinstance(ask.value, Pattern) else [sigma(ask)]
    rule = {"detection": {"it": selection, "condition": "it"}}
    return reference.matches(rule, event, zone=zone)


def modifiers(ask: Ask) -> str:
    match ask.value:
        case Pattern(_, flags):
            return "".join(("|re", *(f"|{flag}" for flag in flags)))
        case Text((str(word),), False) if ask.field and "/" in word and not word.strip("0123456789abcdefABCDEF.:/"):
            return "|cidr" if is_network(word) else ""
        case _:
            return ""


def is_network(word: str) -> bool:
    address, _, bits = word.partition("/")
    try:
        return bool(ip_address(address)) and bits.isdecimal()
    except ValueError:
        return False


def sigma(ask: Ask) -> Any:
    """The value as a rule writes it."""
    match ask.value:
        case Pattern(source, _):
            return source
        case Text((str(word),), False) if ask.field and word.lstrip("-").isdecimal() and str(int(word)) == word:
            return int(word)
        case Text((str(word),), False) if modifiers(ask):
            return word
        case Text(tokens):
            return "".join(one.value if isinstance(one, Wild) else literal(one) for one in tokens)
    raise AssertionError(ask)


def literal(text: str) -> str:
    return "".join(f"\\{one}" if one in "\\*?" else one for one in text)


def lies(element: Any, bounds: Range, zone: tzinfo) -> bool:
    """Whether one element lies in a range of what its bounds are."""
    bound = bounds.low if bounds.low is not None else bounds.high
    assert bound is not None
    if reference.number_of(bound) is not None:
        found = reference.number_of(element)
        return found is not None and between(found, bounds, Decimal)
    if bound[:4].isdecimal() and bound[4:5] == "-":
        time = reference.moment_of(element, zone)
        return time is not None and in_time(time, bounds, zone)
    text = reference.text_of(element)
    assert text is not None
    try:
        ip_address(bound)
    except ValueError:
        return between(reference.fold(text), bounds, reference.fold)
    try:
        return ip_address(text).version == ip_address(bound).version and between(ip_address(text), bounds, ip_address)
    except ValueError:
        return False


def between(found: Any, bounds: Range, read: Any) -> bool:
    if bounds.low is not None and (found < read(bounds.low) or (found == read(bounds.low) and not bounds.with_low)):
        return False
    return bounds.high is None or found < read(bounds.high) or (found == read(bounds.high) and bounds.with_high)


def in_time(time: datetime, bounds: Range, zone: tzinfo) -> bool:
    """Whether a time lies in a range; a bound that is given by the day or minute stands for all of it."""
    if bounds.low is not None:
        first, after = span(bounds.low, zone)
        if time < (first if bounds.with_low else after):
            return False
    if bounds.high is not None:
        first, after = span(bounds.high, zone)
        return time < (after if bounds.with_high else first)
    return True


def span(text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """The first moment that a written time stands for, and the first one after it."""
    if len(text) == 7:
        year, month = map(int, text.split("-"))
        after = (year + 1, 1) if month == 12 else (year, month + 1)
        return datetime(year, month, 1, tzinfo=zone), datetime(*after, 1, tzinfo=zone)
    first = datetime.fromisoformat(text)
    first = first if first.tzinfo else first.replace(tzinfo=zone)
    if len(text) == 10:
        return first, (first.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
    long = timedelta(minutes=1) if len(text) == 16 else timedelta(seconds=1)
    return first.astimezone(UTC), first.astimezone(UTC) + long
