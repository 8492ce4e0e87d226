"""An Elasticsearch that follows a script: in, requests over real HTTP or TLS on loopback; out, answers and faults.

Without a script it is healthy and small: it keeps documents in memory, in data streams (names that begin with `logs-`)
and ordinary indices, with conflicts, rollover, points in time and the plainest queries. With one it does what a healthy
server does not do when a test wants it: refuse items, cut an answer off, hang. Every request is kept for the test to
look at. How answers and errors look was taken from Elasticsearch 9.5.0.
"""

import gzip
import json
import os
import re
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

JSON: Final = "application/vnd.elasticsearch+json;compatible-with=9"
EVERYTHING: Final = frozenset[str]({"*"})
"""What a key may use that may use all."""
REASONS: Final = {
    400: ("document_parsing_exception", "[1:9] failed to parse field [source.ip] of type [ip]"),
    403: ("security_exception", "action [indices:data/write/bulk] is unauthorized"),
    409: ("version_conflict_engine_exception", "version conflict, document already exists (current version [1])"),
    413: ("content_too_long_exception", "entity content is too long"),
    500: ("illegal_state_exception", "unexpected state in field [user.name]"),
    429: ("es_rejected_execution_exception", "rejected execution of coordinating operation"),
    503: ("unavailable_shards_exception", "primary shard is not active"),
}
"""status -> type and reason of an error, as the server words them."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer some items of a bulk request, told by their place, with these statuses and do not keep them."""

    items: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Status:
    """Answer the whole request with an error and do nothing."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cut:
    """Do as asked, answer 200, and close the connection after this share of the answer."""

    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection where the answer should come, with the work done or not."""

    done: bool = True


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing until the server is released, then close the connection; the work is done or not."""

    done: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """Answer with this text, as a proxy before the server may, or as the server itself; nothing is done."""

    text: str = "<html>Please log in</html>"
    code: int = 200
    product: bool = False


@dataclass(frozen=True, slots=True)
class Trickle:
    """Do as asked, and answer byte by byte with these seconds between, until the server is released; with `head`, the
    head of the answer as well."""

    gap: float = 0.05
    head: bool = False


@dataclass(frozen=True, slots=True)
class Flood:
    """Do as asked, and answer without an end until nobody takes any more; or, `packed`, with so many bytes (gzip)."""

    packed: int = 0


Step = Refuse | Status | Cut | Reset | Hang | Text | Trickle | Flood | None
"""What is done with one request; None: what was asked."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; `path` is decoded, `headers` have lower-case names."""

    method: str
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def endpoint(self) -> str:
        """The first part of the path that is not a name: `_bulk` of `/logs-a/_bulk`; empty for `/`."""
        return next((part for part in self.path.split("/") if part.startswith("_")), "")

    @property
    def names(self) -> list[str]:
        """The other parts of the path, in order."""
        return [part for part in self.path.split("/") if part and not part.startswith("_")]

    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}

    def lines(self) -> list[Any]:
        """The documents of an NDJSON body."""
        return [json.loads(line) for line in self.body.splitlines() if line]


class Refused(Exception):  # noqa: N818 - an answer, not a fault of the code
    """A request that the server answers with an error."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.kind, self.reason = status, kind, reason


@dataclass(frozen=True, slots=True)
class Kept:
    """A document as it is kept: `order` counts up over all of them."""

    index: str
    id: str
    order: int
    source: Mapping[str, Any]


class Scripted:
    """The server, within a `with`. `keys` maps whole Authorization headers to the endpoints that they may use.

    `lacks` names endpoints that it does not have (`_ilm`, `_data_stream`; the empty one is `GET /`). `longest` is the
    longest body taken, in bytes. Where `context` is given it speaks TLS.
    """

    def __init__(
        self,
        *,
        context: ssl.SSLContext | None = None,
        keys: Mapping[str, frozenset[str]] | None = None,
        lacks: frozenset[str] = frozenset(),
        longest: int | None = None,
        uuid: str = "c0ffee0000000000000000",
    ) -> None:
        self.context, self.keys, self.lacks, self.longest, self.uuid = context, keys, lacks, longest, uuid
        self.port = 0
        self.requests: list[Request] = []
        self.steps: dict[str, deque[Step]] = {}
        self.released = threading.Event()
        self.lock = threading.RLock()
        self.indices: dict[str, dict[str, Kept]] = {}
        self.streams: dict[str, list[str]] = {}
        self.put: dict[str, Any] = {}
        """path -> body of everything that was put: templates, policies, lifecycles"""
        self.pits: dict[str, list[Kept]] = {}
        self.order = 0
        self.fails = ""
        """Text: documents that hold it are answered with 500 in a bulk request."""
        self.health = "green"
        self._http: ThreadingHTTPServer | None = None

    # What a test does with it.

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    def script(self, *steps: Step, endpoint: str = "_bulk") -> Self:
        """What is done with the next requests to an endpoint, in order; the requests after them are answered well."""
        self.steps.setdefault(endpoint, deque()).extend(steps)
        return self

    def asked(self, endpoint: str) -> list[Request]:
        """The requests to an endpoint, in order."""
        return [request for request in self.requests if request.endpoint == endpoint]

    def documents(self, pattern: str = "*") -> list[Kept]:
        """What is kept in the streams and indices that a pattern names, in the order of writing."""
        with self.lock:
            return sorted((k for n in self.named(pattern) for k in self.indices[n].values()), key=lambda k: k.order)

    def start(self) -> Self:
        """Listen, on the same port as before where it listened already."""
        self.released.clear()
        self._http = _Listening(self)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Be away: no connection is taken, those that are open end. What is kept stays."""
        if self._http is not None:
            self.released.set()
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What it does with a request.

    def step(self, request: Request) -> Step:
        """What the script says about this request."""
        with self.lock:
            self.requests.append(request)
            steps = self.steps.get(request.endpoint)
            return steps.popleft() if steps else None

    def answer(self, request: Request, refused: Mapping[int, int]) -> tuple[int, Any]:
        """Status and body, once the work is done."""
        try:
            if self.longest is not None and len(request.body) > self.longest:
                raise Refused(413, *REASONS[413])
            self._authorise(request)
            handler = ROUTES.get(request.endpoint)
            if handler is None or request.endpoint in self.lacks:
                if not request.endpoint:
                    raise Refused(405, "illegal_argument_exception", f"incorrect HTTP method for uri [{request.path}]")
                words = f"no handler found for uri [{request.path}] and method [{request.method}]"
                raise Refused(400, "illegal_argument_exception", words)
            with self.lock:
                return 200, handler(self, request, refused)
        except Refused as error:
            return error.status, failure(error.status, error.kind, error.reason)

    def _authorise(self, request: Request) -> None:
        if self.keys is None:
            return
        allowed = self.keys.get(request.headers.get("authorization", ""))
        if allowed is None:
            raise Refused(401, "security_exception", f"unable to authenticate for REST request [{request.path}]")
        if allowed is not EVERYTHING and request.endpoint not in allowed:
            raise Refused(403, "security_exception", f"action [{request.endpoint}] is unauthorized for API key id [k1]")

    def named(self, pattern: str, *, lenient: bool = True) -> list[str]:
        """The indices that a pattern names, with those behind data streams. Raises Refused where it names none."""
        found: dict[str, None] = {}
        for part in pattern.split(","):
            whole = "*" if part in ("", "_all") else part
            matching = [n for stream in self.streams if fnmatchcase(stream, whole) for n in self.streams[stream]]
            matching += [n for n in self.indices if fnmatchcase(n, whole)]
            if not matching and "*" not in whole and not lenient:
                raise Refused(404, "index_not_found_exception", f"no such index [{whole}]")
            found |= dict.fromkeys(matching)
        return list(found)

    def written(self, name: str) -> str:
        """The index that writing to this name goes to, made where it is not there."""
        if name.startswith("logs-"):
            if name not in self.streams:
                self.roll(name)
            return self.streams[name][-1]
        self.indices.setdefault(name, {})
        return name

    def roll(self, stream: str) -> str:
        """Give a data stream its next index."""
        backing = self.streams.setdefault(stream, [])
        backing.append(f".ds-{stream}-2026.03.01-{len(backing) + 1:06}")
        self.indices[backing[-1]] = {}
        return backing[-1]

    def found(self, request: Request, body: Mapping[str, Any]) -> list[Kept]:
        """The documents that a body with a query is about."""
        if "pit" in body:
            documents = self.pits.get(body["pit"]["id"])
            if documents is None:
                raise Refused(404, "search_context_missing_exception", "No search context found for id [1]")
        else:
            lenient = request.parameters.get("ignore_unavailable") == "true"
            names = self.named(request.names[0] if request.names else "*", lenient=lenient)
            documents = [kept for name in names for kept in self.indices[name].values()]
        query = body.get("query") or {"match_all": {}}
        return sorted((kept for kept in documents if matches(query, kept)), key=lambda kept: kept.order)


def failure(status: int, kind: str, reason: str) -> dict[str, Any]:
    """The body of an answer that is an error."""
    cause = {"type": kind, "reason": reason}
    return {"error": {"root_cause": [cause], **cause}, "status": status}


def values(source: Any, name: str) -> list[Any]:
    """The values of a field, whether its name is one key with dots or a path."""
    if isinstance(source, list):
        return [value for each in source for value in values(each, name)]
    if not isinstance(source, Mapping):
        return []
    if name in source:
        found = source[name]
        return [v for v in (found if isinstance(found, list) else [found]) if v is not None]
    cuts = [m.start() for m in re.finditer(r"\.", name)]
    return [v for cut in cuts for v in values(source.get(name[:cut]), name[cut + 1 :])]


def matches(query: Mapping[str, Any], kept: Kept) -> bool:
    """Whether a document is what a query asks for. Raises Refused for kinds of queries that are not known here."""
    ((kind, asked),) = query.items()
    match kind:
        case "match_all" | "match_none":
            return kind == "match_all"
        case "ids":
            return kept.id in asked["values"]
        case "exists":
            return bool(values(kept.source, asked["field"]))
        case "constant_score":
            return matches(asked["filter"], kept)
        case "bool":
            return _bool(asked, kept)
        case "term" | "terms" | "range" | "prefix" | "wildcard":
            ((name, wanted),) = ((k, v) for k, v in asked.items() if k != "boost")
            has = [kept.id] if name == "_id" else [kept.index] if name == "_index" else values(kept.source, name)
            return any(_COMPARED[kind](value, wanted) for value in has)
    raise Refused(400, "parsing_exception", f"unknown query [{kind}]")


def _bool(asked: Mapping[str, Any], kept: Kept) -> bool:
    def all_of(*kinds: str) -> Iterator[bool]:
        for kind in kinds:
            for each in asked.get(kind, []) if isinstance(asked.get(kind, []), list) else [asked[kind]]:
                yield matches(each, kept)

    least = asked.get("minimum_should_match", 0 if "must" in asked or "filter" in asked or "should" not in asked else 1)
    return all(all_of("must", "filter")) and not any(all_of("must_not")) and sum(all_of("should")) >= int(least)


def _plain(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _wanted(wanted: Any) -> str:
    return _plain(wanted["value"] if isinstance(wanted, Mapping) else wanted)


def _between(value: Any, wanted: Mapping[str, Any]) -> bool:
    tests = {"gt": lambda a, b: a > b, "gte": lambda a, b: a >= b, "lt": lambda a, b: a < b, "lte": lambda a, b: a <= b}
    return all(tests[name](value, bound) for name, bound in wanted.items() if name in tests)


def _wild(value: Any, wanted: Any) -> bool:
    parts = re.findall(r"\\.|.", _wanted(wanted), re.DOTALL)
    pattern = "".join({"*": ".*", "?": "."}.get(part) or re.escape(part.removeprefix("\\")) for part in parts)
    return re.fullmatch(pattern, _plain(value), re.DOTALL) is not None


_COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "term": lambda value, wanted: _plain(value) == _wanted(wanted),
    "terms": lambda value, wanted: _plain(value) in map(_plain, wanted),
    "prefix": lambda value, wanted: _plain(value).startswith(_wanted(wanted)),
    "wildcard": _wild,
    "range": _between,
}


# One function an endpoint: the server, the request and the items to refuse in, the body of the answer out.


def _bulk(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    lines, items = iter(request.lines()), []
    for place, line in enumerate(lines):
        ((action, about),) = line.items()
        source = {} if action == "delete" else next(lines)
        index = about.get("_index") or request.names[0]
        index = index if index in server.indices else server.written(index)
        known = server.indices[index]
        id_ = about.get("_id") or f"auto-{server.order}"
        there = id_ in known
        status = {"create": 409 if there else 201, "index": 200 if there else 201, "delete": 200 if there else 404}[
            action
        ]
        if action == "delete" and "if_seq_no" in about and (not there or known[id_].order != about["if_seq_no"]):
            status = 409
        status = refused.get(place, status)
        if server.fails and server.fails in json.dumps(source):
            status = 500
        item = {"_index": index, "_id": id_, "status": status}
        if action == "delete" and status in (200, 404):
            known.pop(id_, None)
            item |= {"_version": 2, "result": "deleted" if there else "not_found"}
        elif status < 300:
            server.order += 1
            known[id_] = Kept(index, id_, server.order, source)
            item |= {"_version": 1, "result": "created" if status == 201 else "updated"}
        else:
            kind, reason = REASONS[status]
            item["error"] = {"type": kind, "reason": f"[{id_}]: {reason}" if status == 409 else reason}
        items.append({action: item})
    return {"took": 1, "errors": any("error" in each for item in items for each in item.values()), "items": items}


def _search(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    body = request.json()
    found = server.found(request, body)
    total = len(found)
    order = [next(iter(s.items())) if isinstance(s, Mapping) else (s, "asc") for s in _several(body.get("sort", []))]
    directions = [way if isinstance(way, str) else way.get("order", "asc") for _, way in order]
    if "pit" in body and "_shard_doc" not in [name for name, _ in order]:
        order, directions = [*order, ("_shard_doc", "asc")], [*directions, "asc"]

    def keys(kept: Kept) -> list[Any]:
        own = {"_shard_doc": kept.order, "_doc": kept.order, "_id": kept.id}
        return [own[name] if name in own else next(iter(values(kept.source, name)), None) for name, _ in order]

    for place in reversed(range(len(order))):  # sorting is stable: the last key first
        found.sort(key=lambda kept: _comparable(keys(kept)[place]), reverse=directions[place] == "desc")
    if "search_after" in body:
        found = [kept for kept in found if _after(keys(kept), body["search_after"], directions)]
    if "collapse" in body:
        first = {tuple(map(_plain, values(k.source, body["collapse"]["field"]))): k for k in reversed(found)}
        found = sorted(first.values(), key=found.index)
    begin = body.get("from", 0)
    hits = []
    for kept in found[begin : begin + body.get("size", 10)]:
        hit: dict[str, Any] = {"_index": kept.index, "_id": kept.id, "_score": None}
        if body.get("seq_no_primary_term"):
            hit |= {"_seq_no": kept.order, "_primary_term": 1}
        if body.get("_source") is not False:
            hit["_source"] = kept.source
        hits.append(hit | ({"sort": keys(kept)} if order else {}))
    answer = {"took": 1, "timed_out": False, "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0}}
    answer["hits"] = {"total": {"value": total, "relation": "eq"}, "max_score": None, "hits": hits}
    return answer | ({"pit_id": body["pit"]["id"]} if "pit" in body else {})


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _comparable(value: Any) -> tuple[int, Any]:
    return (2, 0) if value is None else (0, value) if isinstance(value, int | float) else (1, str(value))


def _after(keys: list[Any], after: list[Any], directions: list[str]) -> bool:
    for key, bound, way in zip(keys, after, directions, strict=True):
        if _comparable(key) != _comparable(bound):
            return (_comparable(key) > _comparable(bound)) ^ (way == "desc")
    return False


def _count(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    return {"count": len(server.found(request, request.json())), "_shards": {"total": 1, "successful": 1, "failed": 0}}


def _pit(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    if request.method == "DELETE":
        there = server.pits.pop(request.json()["id"], None) is not None
        return {"succeeded": there, "num_freed": int(there)}
    lenient = request.parameters.get("ignore_unavailable") == "true"
    names = server.named(request.names[0], lenient=lenient)
    name = f"pit-{len(server.requests)}"
    server.pits[name] = [kept for each in names for kept in server.indices[each].values()]
    return {"id": name, "_shards": {"total": len(names), "successful": len(names), "skipped": 0, "failed": 0}}


def _delete_by_query(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    found = server.found(request, request.json())
    for kept in found:
        del server.indices[kept.index][kept.id]
    return {"took": 1, "timed_out": False, "total": len(found), "deleted": len(found), "failures": []}


def _rollover(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    stream = request.names[0]
    if stream not in server.streams:
        raise Refused(404, "index_not_found_exception", f"no such index [{stream}]")
    old = server.streams[stream][-1]
    return {"acknowledged": True, "rolled_over": True, "old_index": old, "new_index": server.roll(stream)}


def _data_stream(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    pattern = request.names[0] if request.names else "*"
    chosen = [name for name in server.streams if any(fnmatchcase(name, part) for part in pattern.split(","))]
    if request.path.endswith(("/_lifecycle", "/_settings", "/_options")):
        if request.method == "GET":
            return {"data_streams": [{"name": n, "lifecycle": _lifecycle_of(server, n)} for n in chosen]}
        if not chosen:
            raise Refused(404, "index_not_found_exception", f"no such index [{pattern}]")
        for name in chosen:
            server.put[f"/_data_stream/{name}/_lifecycle"] = request.json() if request.method == "PUT" else None
        return {"acknowledged": True}
    if request.method == "PUT":
        server.written(pattern)
        return {"acknowledged": True}
    if not chosen and "*" not in pattern:
        raise Refused(404, "index_not_found_exception", f"no such index [{pattern}]")
    if request.method == "DELETE":
        for name in chosen:
            for backing in server.streams.pop(name):
                del server.indices[backing]
        return {"acknowledged": True}
    return {
        "data_streams": [
            {
                "name": name,
                "timestamp_field": {"name": "@timestamp"},
                "indices": [{"index_name": index, "index_uuid": index} for index in server.streams[name]],
                "generation": len(server.streams[name]),
                "status": "GREEN",
                "lifecycle": _lifecycle_of(server, name),
            }
            for name in chosen
        ]
    }


def _lifecycle_of(server: Scripted, name: str) -> Any:
    own = server.put.get(f"/_data_stream/{name}/_lifecycle")
    if own is not None:
        return {"enabled": True, **own}
    for path, body in server.put.items():
        if path.startswith("/_index_template/") and any(fnmatchcase(name, p) for p in body.get("index_patterns", [])):
            return body.get("template", {}).get("lifecycle", {"enabled": True})
    return {"enabled": True}


def _stored(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    """What is put under a path, given back, or removed: templates, policies, pipelines."""
    if request.method in ("PUT", "POST"):
        server.put[request.path] = request.json()
        return {"acknowledged": True}
    whole = request.path in ("/_component_template", "/_ilm/policy", "/_index_template")
    pattern = f"{request.path}/*" if whole else request.path
    chosen = {path: body for path, body in server.put.items() if fnmatchcase(path, pattern)}
    if not chosen and "*" not in pattern:
        raise Refused(404, "resource_not_found_exception", f"[{request.path}] not found")
    if request.method == "DELETE":
        for path in chosen:
            del server.put[path]
        return {"acknowledged": True}
    kind = {"_index_template": "index_template", "_component_template": "component_template"}.get(request.endpoint)
    if kind is None:
        return {path.rpartition("/")[2]: body for path, body in chosen.items()}
    return {f"{kind}s": [{"name": path.rpartition("/")[2], kind: body} for path, body in chosen.items()]}


def _ilm(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    return {"operation_mode": "RUNNING"} if request.path == "/_ilm/status" else _stored(server, request, refused)


def _resolve(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    pattern = request.path.rpartition("/")[2]
    streams = [name for name in server.streams if any(fnmatchcase(name, part) for part in pattern.split(","))]
    behind = {index for indices in server.streams.values() for index in indices}
    plain = [name for name in server.named(pattern, lenient=False) if name not in behind]
    return {
        "indices": [{"name": name, "attributes": ["open"]} for name in plain],
        "aliases": [],
        "data_streams": [
            {"name": n, "backing_indices": server.streams[n], "timestamp_field": "@timestamp"} for n in streams
        ],
    }


def _cluster(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    if "/state" in request.path:
        return {"metadata": {"cluster_uuid": server.uuid}}
    return {"cluster_name": "scripted", "status": server.health, "timed_out": False}


def _nodes(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    return {"nodes": {"n1": {"name": "scripted", "version": "9.5.0"}}}


def _info(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    if request.names:  # an index by its name
        if request.method == "DELETE":
            for name in server.named(request.names[0], lenient=False):
                del server.indices[name]
            return {"acknowledged": True}
        return {name: {"aliases": {}, "mappings": {}, "settings": {}} for name in server.named(request.names[0])}
    version = {"number": "9.5.0", "build_flavor": "default"}
    return {"name": "scripted", "cluster_name": "scripted", "cluster_uuid": server.uuid, "version": version}


def _security(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    if request.path.endswith("/_has_privileges"):
        return {"username": "scripted", "has_all_requested": True, "cluster": {}, "index": {}, "application": {}}
    return {"username": "scripted", "roles": [], "enabled": True}


def _nothing(server: Scripted, request: Request, refused: Mapping[int, int]) -> Any:
    return {"_shards": {"total": 1, "successful": 1, "failed": 0}, "columns": [], "values": []}


ROUTES: Final[Mapping[str, Callable[[Scripted, Request, Mapping[int, int]], Any]]] = {
    "": _info,
    "_bulk": _bulk,
    "_cluster": _cluster,
    "_component_template": _stored,
    "_count": _count,
    "_data_stream": _data_stream,
    "_delete_by_query": _delete_by_query,
    "_ilm": _ilm,
    "_index_template": _stored,
    "_nodes": _nodes,
    "_pit": _pit,
    "_query": _nothing,
    "_refresh": _nothing,
    "_resolve": _resolve,
    "_rollover": _rollover,
    "_search": _search,
    "_security": _security,
    "_settings": _stored,
}
"""endpoint -> what answers it"""


class _Listening(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, scripted: Scripted) -> None:
        super().__init__(("127.0.0.1", scripted.port), _Handler)
        self.scripted = scripted
        self.open: set[socket.socket] = set()
        if scripted.context:
            self.socket = scripted.context.wrap_socket(self.socket, server_side=True)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for each in tuple(self.open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body of an answer are sent apart
    server: _Listening

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Requests are kept, not printed."""

    def _handle(self) -> None:
        scripted = self.server.scripted
        request = self._request()
        step = scripted.step(request)
        match step:
            case Status(code, headers):
                kind, reason = REASONS.get(code, ("exception", f"answered {code} as the script says"))
                return self._send(code, json.dumps(failure(code, kind, reason)), headers=headers)
            case Text(text, code, product):
                return self._send(code, text, kind=JSON if product else "text/html", product=product)
            case Hang(done=False):
                scripted.released.wait()
                return self._close()
            case Reset(done=False):
                return self._reset()
        status, body = scripted.answer(request, step.items if isinstance(step, Refuse) else {})
        match step:
            case Hang():
                scripted.released.wait()
                return self._close()
            case Reset():
                return self._reset()
            case Cut(share):
                return self._send(status, json.dumps(body), share=share)
            case Trickle(gap, head):
                return self._send(status, json.dumps(body), gap=gap, slow_head=head)
            case Flood(packed):
                return self._flood(packed)
        return self._send(status, json.dumps(body))

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - the base class looks for these names

    def _request(self) -> Request:
        split = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        parameters = dict(parse_qsl(split.query, keep_blank_values=True))
        return Request(self.command, unquote(split.path), parameters, headers, body)

    def _send(
        self,
        status: int,
        text: str,
        *,
        kind: str = JSON,
        product: bool = True,
        headers: Mapping[str, str] | None = None,
        share: float = 1.0,
        gap: float | None = None,
        slow_head: bool = False,
    ) -> None:
        body = text.encode()
        if gap is not None and slow_head:
            self._trickle(b"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\n\r\n", gap)
            return
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        if product:
            self.send_header("X-Elastic-Product", "Elasticsearch")
        self.end_headers()
        if self.command == "HEAD":
            return
        if gap is not None:
            self._trickle(body, gap)
            return
        self.wfile.write(body[: int(len(body) * share)])
        if share < 1:
            self._close()

    def _trickle(self, data: bytes, gap: float) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.server.scripted.released.wait(gap)

    def _flood(self, packed: int) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", JSON)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if packed:
            self.wfile.write(gzip.compress(b" " * packed))
            return
        while not self.server.scripted.released.is_set():
            self.wfile.write(b" " * 2**16)

    def _close(self) -> None:
        self.close_connection = True

    def _reset(self) -> None:
        """Close so that the other side gets a reset, not an end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
