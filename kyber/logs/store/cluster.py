"""A cluster of Elasticsearch: requests in, answers out; what can go wrong as three kinds of errors.

This module, `access` and `exchange` know the client, which is loaded when a cluster is first talked to; no other does.
Nothing is tried again here: who asks knows what may be asked twice. Answers come from outside: what is not as it should
be is an error, and what a server says as its reason is cut to a length and made one harmless line.
"""

import socket
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Self, cast

import orjson

from kyber.errors import UndeliveredError
from kyber.logs.store import exchange
from kyber.logs.store.access import LONGEST_REASON, Access, client, line
from kyber.logs.store.exchange import CodingError, LargeError, causes
from kyber.logs.store.templates import Kind
from kyber.render.safe import plain

if TYPE_CHECKING:
    from elasticsearch import ApiError

POINT_IN_TIME: Final = "5m"
"""How long a point in time is kept between one page and the next."""
IDS: Final = 1_000
"""Ids that are asked for at once."""
WINDOW: Final = 10_000
"""Hits of one answer: `index.max_result_window` as Elasticsearch has it by default."""
FEWER: Final = 4
"""By what the number of hits is divided that are asked for, where an answer was too large."""

Hit = dict[str, Any]
Seen = tuple[int, int]
"""What tells one state of a document from every other: its sequence number and the primary term."""


class ClusterError(UndeliveredError):
    """Waiting does not mend it: credentials, rights, TLS, an unknown host, a request that is refused."""


class AwayError(ClusterError):
    """Waiting may mend it: nobody listens, no answer in time, one cut off, or a cluster that has too much to do."""


class TooLargeError(ClusterError):
    """The request is larger than the cluster takes (413)."""


class ForbiddenError(ClusterError):
    """The credentials are not enough for this request."""


class OversizedError(ClusterError):
    """The answer is larger than what is taken of any: less has to be asked for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one action of a bulk request: an HTTP status, the index that it went to, and why not."""

    status: int
    index: str
    reason: str


@dataclass(frozen=True, slots=True)
class Features:
    """What a cluster can do, as it said itself. `version` is None where it does not tell; `uuid` names the cluster.

    `lifecycle`: retention of data streams; `ilm`: index lifecycle management; `data_streams`: their administration
    (bulk requests create them without it); `delete_by_query`; `esql`.
    """

    version: str | None
    uuid: str
    lifecycle: bool
    ilm: bool
    data_streams: bool
    delete_by_query: bool
    esql: bool


class Cluster:
    """A connection to a cluster, for any number of threads; as a context manager it is closed at the end.

    Raises UsageError where the access cannot be used as it is, or the client is not installed. Every method raises
    ClusterError, and AwayError where trying again later may help. `name` is the address, without credentials.
    """

    def __init__(self, access: Access) -> None:
        self.name = access.name
        self._client = client(access)
        self._seconds = exchange.REQUEST_SECONDS
        self._readable: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def within(self, seconds: float) -> "Cluster":
        """The same cluster over the same connections, which has no more than so many seconds for an answer."""
        if seconds >= self._seconds:
            return self
        made = copy(self)
        made._client, made._seconds = self._client.options(request_timeout=seconds), seconds
        return made

    # --- documents

    def bulk(self, lines: Sequence[bytes], *, into_streams: bool = False) -> list[Verdict]:
        """Do the actions of an NDJSON request, whose lines are ready made, and give a verdict for each, in order.

        With `into_streams`, an action on what is neither a data stream nor would become one is refused, so that
        events never land in an ordinary index that a bulk request would create. Raises TooLargeError where the
        cluster does not take so much at once.
        """
        answer = self._ask(
            lambda: self._client.bulk(
                operations=cast(Any, b"\n".join((*lines, b""))),
                filter_path="took,errors,items.*.status,items.*._index,items.*.error.type,items.*.error.reason",
                require_data_stream=into_streams or None,
            )
        )
        items, sent = answer.get("items") or [], _actions(lines)
        if not isinstance(items, list) or len(items) != sent:
            raise AwayError(f"{self.name} answered for {len(items)} of {sent} actions")
        try:
            return [_verdict(item) for item in items]
        except (TypeError, ValueError, AttributeError, KeyError, OverflowError):
            raise AwayError(f"{self.name} answered a bulk request with something else") from None

    def delete(self, places: Sequence[tuple[str, str]], seen: Sequence[Seen] = ()) -> list[Verdict]:
        """Delete documents, each by its index (of a data stream: the backing index) and its id. 404: there is none.

        `seen`: of each, what of it was read; one that is no longer that stays (409).
        """
        only = [{"if_seq_no": number, "if_primary_term": term} for number, term in seen] or [{}] * len(places)
        actions = [
            orjson.dumps({"delete": {"_index": index, "_id": identity, **condition}})
            for (index, identity), condition in zip(places, only, strict=True)
        ]
        return self.bulk(actions) if actions else []

    # --- searching

    def search(self, body: Mapping[str, Any], *, index: str | None) -> dict[str, Any]:
        """The answer to a search, whole: what some shards could not answer is an error. None: the body names a point
        in time. An index that is missing has no documents; one that may not be read is an error."""
        self._may_read(index)
        try:
            found = self._ask(
                lambda: (
                    self._client.search(body=dict(body))
                    if index is None
                    else self._client.search(index=index, body=dict(body), allow_partial_search_results=False)
                )
            )
        except _MissingError:
            if index is None:
                raise
            return {"hits": {"total": {"value": 0, "relation": "eq"}, "hits": []}}
        with answered(self):
            failed = (found.get("_shards") or {}).get("failed")
        if failed or found.get("timed_out") or not isinstance(found.get("hits"), dict):
            raise AwayError(f"{self.name} answered a search in part only")
        return found

    @contextmanager
    def view(self, index: str) -> "Iterator[View]":
        """An index, data stream or pattern as it is now, for as long as this lasts; empty where there is none."""
        self._may_read(index)
        try:
            opened = self._ask(lambda: self._client.open_point_in_time(index=index, keep_alive=POINT_IN_TIME))
        except _MissingError:
            yield View(self, None)
            return
        with answered(self):
            made = View(self, str(opened["id"]))
        try:
            yield made
        finally:
            with suppress(ClusterError):  # it ends by itself
                self._ask(lambda: self._client.close_point_in_time(id=made.identity))

    def present(self, index: str, ids: Sequence[str]) -> set[str]:
        """Which ids there are in an index, in every backing index of a data stream."""
        if not ids:
            return set()
        self.refresh(index)
        found: set[str] = set()
        left = iter(ids)
        while wanted := list(islice(left, IDS)):
            full = True
            while full and wanted:  # an id that stands in many backing indices has as many hits
                body = {"query": {"ids": {"values": wanted}}, "_source": False, "size": WINDOW}
                hits = self.search(body, index=index)["hits"].get("hits", [])
                with answered(self):
                    found.update(hit["_id"] for hit in hits)
                    asked, wanted = len(wanted), [one for one in wanted if one not in found]
                    full = len(hits) >= WINDOW
                    if full and len(wanted) == asked:
                        raise ValueError("ids that nobody asked for")
        return found

    def count(self, index: str, query: Mapping[str, Any] | None = None) -> int:
        """How many documents match; 0 where the index is missing."""
        self._may_read(index)
        try:
            answer = self._ask(lambda: self._client.count(index=index, query=query or {"match_all": {}}))
        except _MissingError:
            return 0
        with answered(self):
            if (answer.get("_shards") or {}).get("failed"):
                raise AwayError(f"{self.name} counted in part only")
            return int(answer["count"])

    def refresh(self, index: str) -> None:
        """Let what was written be found. An index that is missing needs none. Raises AwayError where some of it may not
        be found even so."""
        try:
            answer = self._ask(lambda: self._client.indices.refresh(index=index))
        except _MissingError:
            return
        with answered(self):
            if (answer.get("_shards") or {}).get("failed"):
                raise AwayError(f"{self.name} cannot let all that was written to {index} be found now")

    def _may_read(self, index: str | None) -> None:
        """Raises ClusterError where not all that a pattern can mean may be read: a cluster leaves out what may not, and
        says nothing, and that must not look as if there was nothing. Without security, everything may be read."""
        if index is None or "*" not in index or index in self._readable:
            return
        asked = [{"names": index.split(","), "privileges": ["read"]}]
        try:
            found = self._ask(lambda: self._client.security.has_privileges(index=asked))
        except _AbsentError:  # there is no security
            found = {"has_all_requested": True}
        if found.get("has_all_requested") is not True:
            raise ForbiddenError(
                f"{self.name} does not let these credentials read all of {index}: see docs/elasticsearch.md"
            )
        self._readable.add(index)

    def works(self, index: str) -> bool:
        """Whether all primary shards of an index or data stream are there; where the cluster does not say: no."""
        try:
            said = self._ask(lambda: self._client.cluster.health(index=index, timeout="0s", filter_path="status"))
        except ClusterError:
            return False
        return said.get("status") in ("green", "yellow")

    # --- what the cluster is and can do

    def features(self) -> Features:
        """What the cluster can do. It is asked once."""
        return self._features

    def uuid(self) -> str:
        """What names the cluster that answers now. It is asked each time."""
        return self._identity()[1]

    @cached_property
    def _features(self) -> Features:
        client = self._client
        nothing: dict[str, Any] = {"match_none": {}}
        version, uuid = self._identity()
        return Features(
            version=version,
            uuid=uuid,
            lifecycle=self._has(lambda: client.indices.get_data_lifecycle(name="logs-kyber.*")),
            ilm=self._has(lambda: client.ilm.get_status()),
            data_streams=self._has(lambda: client.indices.get_data_stream(name="logs-kyber.*")),
            delete_by_query=self._has(lambda: client.delete_by_query(index="logs-kyber.-*", query=nothing)),
            esql=self._has(lambda: client.esql.query(query="ROW kyber = 1")),
        )

    def _identity(self) -> tuple[str | None, str]:
        """The version, and the id of the cluster."""
        client = self._client
        try:
            said = self._ask(client.info)
            with answered(self):
                version, uuid = (said.get("version") or {}).get("number"), said.get("cluster_uuid")
        except _AbsentError:  # the minimal distribution has no root
            nodes = self._ask(lambda: client.nodes.info(metric="http", filter_path="nodes.*.version")).get("nodes")
            version = min((one.get("version") for one in (nodes or {}).values()), default=None)
            state = self._ask(
                lambda: client.cluster.state(metric="metadata", filter_path="cluster_uuid,metadata.cluster_uuid")
            )
            uuid = (state.get("metadata") or {}).get("cluster_uuid") or state.get("cluster_uuid")
        if not isinstance(uuid, str) or not uuid or uuid == "_na_":
            raise AwayError(f"{self.name} has not formed a cluster yet")
        return None if version is None else plain(str(version))[:LONGEST_REASON], plain(uuid)[:LONGEST_REASON]

    def _has(self, call: Callable[[], Any]) -> bool:
        """Whether the cluster knows a request. One that it forbids, it knows."""
        try:
            self._ask(call)
        except _AbsentError:
            return False
        except (ForbiddenError, _MissingError):
            return True
        return True

    # --- templates, lifecycles, data streams

    def get(self, part: Kind, name: str) -> dict[str, dict[str, Any]]:
        """The templates or policies of a name, in which `*` stands for any characters: name -> definition."""
        client = self._client
        try:
            match part:
                case "component":
                    found = self._ask(lambda: client.cluster.get_component_template(name=name))
                    return {one["name"]: one["component_template"] for one in found["component_templates"]}
                case "template":
                    found = self._ask(lambda: client.indices.get_index_template(name=name))
                    return {one["name"]: one["index_template"] for one in found["index_templates"]}
                case "policy":
                    return {
                        key: one["policy"]
                        for key, one in self._ask(lambda: client.ilm.get_lifecycle(name=name)).items()
                    }
        except _MissingError:
            return {}
        except (KeyError, TypeError):
            raise ClusterError(f"{self.name} described its templates in a way that kyber does not know") from None

    def put(self, part: Kind, name: str, body: Mapping[str, Any]) -> None:
        """Lay down a template or policy, in place of one of the same name."""
        client = self._client
        match part:
            case "component":
                self._ask(lambda: client.cluster.put_component_template(name=name, body=dict(body)))
            case "template":
                self._ask(lambda: client.indices.put_index_template(name=name, body=dict(body)))
            case "policy":
                self._ask(lambda: client.ilm.put_lifecycle(name=name, body={"policy": dict(body)}))

    def remove(self, part: Kind, name: str) -> None:
        """Remove a template or policy; one that is missing is removed."""
        client = self._client
        try:
            match part:
                case "component":
                    self._ask(lambda: client.cluster.delete_component_template(name=name))
                case "template":
                    self._ask(lambda: client.indices.delete_index_template(name=name))
                case "policy":
                    self._ask(lambda: client.ilm.delete_lifecycle(name=name))
        except _MissingError:
            pass

    def streams(self, pattern: str) -> dict[str, list[str]]:
        """Data streams whose names match, each with its backing indices from the oldest to the one written to."""
        try:
            found = self._ask(lambda: self._client.indices.resolve_index(name=pattern, expand_wildcards="all"))
            return {one["name"]: list(one["backing_indices"]) for one in found.get("data_streams") or []}
        except _MissingError:
            return {}
        except (KeyError, TypeError):
            raise ClusterError(f"{self.name} described its data streams in a way that kyber does not know") from None

    def indices(self, pattern: str) -> dict[str, dict[str, Any]]:
        """Indices, and backing indices of data streams, whose names match: name -> `mappings` and `settings`."""
        try:
            found = self._ask(
                lambda: self._client.indices.get(
                    index=pattern, ignore_unavailable=True, allow_no_indices=True, expand_wildcards="all"
                )
            )
        except _MissingError:
            return {}
        return {name: one for name, one in found.items() if isinstance(one, dict)}

    def rollover(self, stream: str) -> str:
        """Begin a new backing index of a data stream, and give its name."""
        return str(self._ask(lambda: self._client.indices.rollover(alias=stream)).get("new_index", ""))

    def lifecycle(self, pattern: str) -> dict[str, dict[str, Any]]:
        """The lifecycles of data streams whose names match, as the cluster tells them; without one: an empty one."""
        try:
            found = self._ask(lambda: self._client.indices.get_data_lifecycle(name=pattern))
            return {one["name"]: one.get("lifecycle") or {} for one in found.get("data_streams") or []}
        except _MissingError:
            return {}
        except (KeyError, TypeError):
            raise ClusterError(f"{self.name} described its lifecycles in a way that kyber does not know") from None

    def put_lifecycle(self, stream: str, retention: str | None) -> None:
        """Let a data stream keep its data for so long (`30d`); None: without an end."""
        self._ask(lambda: self._client.indices.put_data_lifecycle(name=stream, data_retention=retention, enabled=True))

    def put_settings(self, index: str, settings: Mapping[str, Any]) -> None:
        """Change settings of an index, or of all backing indices of a data stream."""
        self._ask(lambda: self._client.indices.put_settings(index=index, settings=dict(settings)))

    # --- asking

    def _ask(self, call: Callable[[], Any]) -> dict[str, Any]:
        """The body of an answer, an object. Raises the errors of this module, and no other."""
        from elasticsearch import ApiError, SerializationError, TransportError, UnsupportedProductError

        try:
            found = call().body
        except UnsupportedProductError:
            raise ClusterError(f"{self.name} answers, but not as Elasticsearch does: is the address right?") from None
        except ApiError as error:
            raise self._refused(error) from None
        except SerializationError:
            raise AwayError(f"{self.name} gave an answer that is cut off or no JSON") from None
        except TransportError as error:
            raise self._lost(error) from None
        except (ValueError, RecursionError) as error:
            raise ClusterError(f"{self.name}: {line(error)}") from None
        if not isinstance(found, dict):
            raise AwayError(f"{self.name} gave an answer that is cut off or no JSON")
        return found

    def _refused(self, error: "ApiError") -> ClusterError:
        """The error for an answer that says no."""
        status, reason = error.meta.status, _said(error.body)
        said = f": {reason}" if reason else ""
        match status:
            case 401:
                return ClusterError(
                    f"{self.name} does not take the credentials (401): "
                    "mend the API key, or user name and password, that `elasticsearch:` in kyber.yaml names"
                )
            case 403:
                return ForbiddenError(
                    f"{self.name} forbids it (403): the credentials need more rights, see docs/elasticsearch.md{said}"
                )
            case 404:
                return _MissingError(f"{self.name} has no such thing (404){said}")
            case 413:
                return TooLargeError(f"{self.name} takes no request of this size (413)")
            case 408 | 429:
                return AwayError(f"{self.name} has too much to do ({status})")
            case 405 | 410:
                return _AbsentError(f"{self.name} does not know this request ({status}){said}")
            case 400 if "no handler found" in said or "serverless" in said:
                return _AbsentError(f"{self.name} does not know this request ({status}){said}")
        if status >= 500:
            return AwayError(f"{self.name} cannot answer now ({status}){said}")
        return ClusterError(f"{self.name} refuses the request ({status}){said}")

    def _lost(self, error: Exception) -> ClusterError:
        """The error for an answer that did not come."""
        from elasticsearch import ConnectionTimeout

        if isinstance(error, ConnectionTimeout):
            return AwayError(f"{self.name} does not answer within {self._seconds:g} s")
        for cause in causes(error):
            match cause:
                case LargeError():
                    return OversizedError(
                        f"{self.name} gave an answer of more than {exchange.ANSWER_BYTES // 2**20} MiB: "
                        "is it Elasticsearch, and is nothing between that changes answers?"
                    )
                case CodingError():
                    return ClusterError(f"{self.name} packed its answer in a way that was not asked for")
                case zlib.error():
                    return AwayError(f"{self.name} gave an answer that is cut off or no JSON")
                case ssl.SSLCertVerificationError():
                    return ClusterError(
                        f"the certificate of {self.name} is not trusted ({cause.verify_message}): "
                        "name the authority that signed it: elasticsearch.ca_file in kyber.yaml"
                    )
                case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ssl.SSLSyscallError():
                    return AwayError(f"{self.name} closed the connection")
                case ssl.SSLError():
                    return ClusterError(f"no TLS connection to {self.name}: {line(cause.reason or cause)}")
                case socket.gaierror() if cause.errno == socket.EAI_AGAIN:
                    return AwayError(f"the name of {self.name} cannot be looked up now")
                case socket.gaierror():
                    return ClusterError(f"the host of {self.name} is not known: is the address right?")
                case ConnectionRefusedError():
                    return AwayError(f"nobody listens at {self.name}")
                case OSError() if cause.strerror:
                    return AwayError(f"the connection to {self.name} failed: {line(cause.strerror)}")
        return AwayError(f"the connection to {self.name} broke off")


class View:
    """What there is at one point in time. `identity` is None where there is no index."""

    def __init__(self, cluster: Cluster, identity: str | None) -> None:
        self.cluster, self.identity = cluster, identity

    def search(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a search. Raises ClusterError."""
        if self.identity is None:
            return {"hits": {"hits": []}}
        asked = {**body, "pit": {"id": self.identity, "keep_alive": POINT_IN_TIME}}
        found = self.cluster.search(asked, index=None)
        self.identity = str(found.get("pit_id") or self.identity)
        return found

    def pages(
        self,
        body: Mapping[str, Any],
        sort: Sequence[Any],
        size: int,
        following: Callable[[Sequence[Hit], int], int] = lambda _, size: size,
    ) -> Iterator[list[Hit]]:
        """All hits of a search in an order, `size` at a time, then as many as `following` says of the last ones and
        their number; fewer, where an answer would be too large. Raises ClusterError, also where a hit is none."""
        asked: dict[str, Any] = {**body, "sort": list(sort), "track_total_hits": False}
        while True:
            try:
                found = self.search({**asked, "size": size})
            except OversizedError:
                if size == 1:
                    raise
                size = max(1, size // FEWER)
                continue
            with answered(self.cluster):
                hits = [dict(hit) for hit in found["hits"].get("hits", ())]
                asked["search_after"] = hits[-1]["sort"] if hits else None
                if any(hit["_id"] is None or hit["_index"] is None for hit in hits):
                    raise KeyError("_id")
            if hits:
                yield hits
            if len(hits) < size:
                return
            size = following(hits, size)


@contextmanager
def answered(cluster: Cluster) -> Iterator[None]:
    """An answer that is not as Elasticsearch gives it is a ClusterError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        raise ClusterError(f"{cluster.name} answered a search in a way that kyber does not know") from None


class _AbsentError(ClusterError):
    """The cluster does not know this request."""


class _MissingError(ClusterError):
    """There is nothing of this name."""


def _actions(lines: Sequence[bytes]) -> int:
    """How many actions there are in an NDJSON request; only deletions have no second line."""
    deletions = sum(1 for line in lines if line.startswith(b'{"delete"'))
    return deletions + (len(lines) - deletions) // 2


def _verdict(item: Mapping[str, Any]) -> Verdict:
    (one,) = item.values()
    status, error = one["status"], one.get("error")
    if type(status) is not int or not 200 <= status < 600:
        raise ValueError(status)
    return Verdict(status, str(one.get("_index", "")), "" if error is None else _said({"error": error}))


def _said(body: object) -> str:
    """What a server gives as its reason, as one harmless line of bounded length."""
    error = body.get("error") if isinstance(body, dict) else body
    if isinstance(error, dict):
        parts = [error.get("type"), error.get("reason")]
        error = ": ".join(str(one) for one in parts if one)
    return "" if error is None else line(error)
