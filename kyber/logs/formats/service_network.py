"""What name servers, proxies and routers write: BIND, HAProxy, Gin, Zoraxy, Traefik, MikroTik. Tables of messages.

Sources: the log calls of BIND 9; HAProxy, "Configuration Manual", log formats; Gin's logger; RouterOS.
"""

from typing import Final

from kyber.logs.formats.service_message import ADDRESS, PEER, failed, message, opened

NAME_SERVERS: Final = (
    message(
        "bind",
        "client ",
        r"(?:\S+: (?:info|warning|notice|error|debug [0-9]+): )?client (?:@0x[0-9a-f]+ )?"
        rf"(?P<source>{ADDRESS}#[0-9]+)(?:/key [^\s:]+)?(?: \([^()\n]*\))?: "
        r"(?:view \S+: )?(?P<what>query(?: \(cache\))?|zone transfer|update|notify) '"
        r"(?P<query>[^'/\s]+)/(?P<query_type>[A-Z0-9]+)(?:/IN)?' denied.*",
        "dns_refused",
        "network",
        "failure",
    ),
    message(
        "bind",
        "query: ",
        rf"(?:\S+: (?:info|debug [0-9]+): )?client (?:@0x[0-9a-f]+ )?(?P<source>{ADDRESS}#[0-9]+)"
        r"(?:/key [^\s:]+)?(?: \([^()\n]*\))?: (?:view \S+: )?"
        rf"query: (?P<query>\S+) IN (?P<query_type>[A-Z0-9]+) (?P<flags>\S+)(?: \((?P<destination>{ADDRESS})\))?.*",
        "dns_query",
        "network",
    ),
)


WEB: Final = (
    message(
        "haproxy",
        '"',
        rf"(?P<source>{PEER}) \[(?P<accepted>[^\]\s]{{1,40}})\] (?P<frontend>\S+) (?P<backend>[^\s/]+)/"
        r"(?P<server>\S+) (?P<timers>[0-9+/-]+) "
        r"(?P<status>-?[0-9]+) (?P<bytes>\+?[0-9]+) (?P<request_cookie>\S+) (?P<response_cookie>\S+) "
        r"(?P<termination>\S{4}) (?P<connections>\S+) (?P<queues>\S+) "
        r"(?:\{[^}\n]*\} ){0,2}\"(?:(?P<method>[A-Z]{1,16}) (?P<url>[^\s\"]*)(?: HTTP/"
        r"(?P<version>[0-9.]+))?|<BADREQ>)[^\"]*\"?.*",
        "http_request",
        "web",
    ),
    message(
        "haproxy",
        "/",
        rf"(?P<source>{PEER}) \[(?P<accepted>[^\]\s]{{1,40}})\] (?P<frontend>\S+) (?P<backend>[^\s/]+)/"
        r"(?P<server>\S+) (?P<timers>[0-9+/-]+) (?P<total>\+?[0-9]+) "
        r"(?P<termination>\S{2}) (?P<connections>[0-9/+]+) (?P<queues>[0-9/]+).*",
        "connection",
        "network",
    ),
    message(
        "haproxy",
        "]",
        (
            rf"(?P<source>{PEER}) \[(?P<accepted>[0-9]{{2}}/[A-Z][a-z]{{2}}/[0-9:.]{{13,20}})\] "
            r"(?P<frontend>[^\s:]+): (?P<reason>.*)"
        ),
        "connection_failed",
        "network",
        "failure",
    ),
    message(
        "nginx_proxy_manager",
        "] [Length ",
        rf"(?:(?P<cache>[A-Z-]{{1,16}}) )?(?P<upstream_status>[0-9-]+) (?P<status>[0-9]{{3}}) - (?P<method>[A-Z]+) "
        rf"(?P<scheme>https?) (?P<domain>\S+) \"(?P<url>[^\"]*)\" \[Client (?P<source>{ADDRESS})\] "
        r"\[Length (?P<bytes>[0-9-]+)\] \[Gzip (?P<gzip>[0-9.-]+)\] (?:\[Sent-to (?P<upstream>[^\]]*)\] )?"
        r"\"(?P<agent>[^\"]*)\" \"(?P<referrer>[^\"]*)\"",
        "http_request",
        "web",
    ),
    message(
        "gin",
        " | ",
        rf"(?P<status>[0-9]{{3}}) \| +(?P<took>\S+) \| +(?P<source>{ADDRESS}) \| (?P<method>[A-Z]+) +\"(?P<url>.*)\"",
        "http_request",
        "web",
    ),
    message(
        "zoraxy",
        "[client: ",
        r"(?:\[[0-9. :-]+\] )?\[router:(?P<router>[^\]]*)\] \[origin:(?P<domain>[^\]]*)\] \[client: "
        rf"(?P<source>{ADDRESS})\] "
        r"\[useragent: (?P<agent>.*)\] (?P<method>[A-Z]+) (?P<url>\S*) (?P<status>[0-9]{3})",
        "http_request",
        "web",
    ),
    message(
        "traefik",
        "Handling ",
        rf"Handling (?P<transport>TCP|UDP) (?:connection|stream) from (?P<source>{PEER}) to (?P<destination>{PEER}).*",
        "connection_opened",
        "network",
    ),
)


NETWORK: Final = (
    message(
        "mikrotik",
        "connection-state:",
        r"(?:(?P<prefix>[^:\n]{1,64}) )?(?P<chain>[a-z]+): in:(?P<entered>\S+|\([^()]*\)) out:"
        r"(?P<left>\S+|\([^()]*\)), connection-state:(?P<state>[a-z,]+?),?"
        r"(?: src-mac (?P<mac>[0-9a-fA-F:]{17}),?)? proto (?P<transport>[A-Za-z0-9-]+)"
        rf"(?: \([^()]*\))?, (?P<source>{PEER})->(?P<destination>{PEER}), "
        r"(?:NAT .*, )?len (?P<length>[0-9]+)",
        "firewall_logged",
        "network",
    ),
    failed(
        "mikrotik",
        "login failure for user ",
        rf"login failure for user (?P<user>.*) from (?P<source>{ADDRESS}) via (?P<service>\S+)",
    ),
    opened(
        "mikrotik", " logged in from ", rf"user (?P<user>.*) logged in from (?P<source>{ADDRESS}) via (?P<service>\S+)"
    ),
)
