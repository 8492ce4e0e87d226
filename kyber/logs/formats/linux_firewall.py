"""What pfSense and OPNsense say of a packet (`filterlog`): a line of commas in, fields with ECS names out.

Source: Netgate, "Raw Filter Log Format". What netfilter writes stands in `linux_system`, with the rest of the kernel.
"""

from typing import Final

from kyber.logs.formats.linux_pattern import Fields
from kyber.logs.formats.names import fill

_COMMON: Final = ("rule", "subrule", "anchor", "tracker", "interface", "reason", "action", "direction", "version")
_FOUR: Final = (
    "tos",
    "ecn",
    "ttl",
    "id",
    "offset",
    "flags",
    "protocol_id",
    "protocol",
    "length",
    "source",
    "destination",
)
_SIX: Final = ("class", "flow", "hop_limit", "protocol", "protocol_id", "length", "source", "destination")
_PORTS: Final = ("source_port", "destination_port", "data_length")
_COLUMNS: Final = {
    "source": "source",
    "destination": "destination",
    "source_port": "source.port",
    "destination_port": "destination.port",
    "protocol": "network.transport",
    "rule": "rule.id",
    "interface": "observer.ingress.interface.name",
    "length": "network.bytes",
    "reason": "event.reason",
}
_NATIVE: Final = ("tracker", "subrule", "anchor", "ttl", "flags")
_ACTIONS: Final = {
    "block": ("firewall_blocked", "failure"),
    "reject": ("firewall_blocked", "failure"),
    "pass": ("firewall_allowed", "success"),
}
_DIRECTIONS: Final = {"in": "inbound", "out": "outbound"}


def read_filterlog(message: str) -> Fields | None:
    """The fields of one packet; None for what is no such line."""
    parts = message.split(",", 64)
    own = dict(zip(_COMMON, parts, strict=False))
    if len(parts) < len(_COMMON) + len(_SIX) or own["version"] not in {"4", "6"}:
        return None
    names = _FOUR if own["version"] == "4" else _SIX
    rest = parts[len(_COMMON) :]
    own.update(zip(names, rest, strict=False))
    if own.get("protocol", "").lower() in {"tcp", "udp"}:
        own.update(zip(_PORTS, rest[len(names) :], strict=False))
    action, outcome = _ACTIONS.get(own["action"], ("firewall_logged", ""))
    fields: Fields = {"event.action": action, "event.category": "network"}
    if outcome:
        fields["event.outcome"] = outcome
    if direction := _DIRECTIONS.get(own["direction"]):
        fields["network.direction"] = direction
    fields["network.type"] = f"ipv{own['version']}"
    for name, column in _COLUMNS.items():
        if name in own:
            fill(fields, column, own[name])
    if fields.get("network.direction") == "outbound" and (out := fields.pop("observer.ingress.interface.name", None)):
        fields["observer.egress.interface.name"] = out
    fields.update((f"linux.filterlog.{name}", own[name]) for name in _NATIVE if own.get(name))
    return fields if "source.ip" in fields and "destination.ip" in fields else None
