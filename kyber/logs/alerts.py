"""Findings as alerts in Elasticsearch: the result of a scan in, a document a finding out, in the form that `ecs` is.

The id of a document is that of its finding: one that grew, or was judged, takes the place of what it was. Personal
identity codes are masked, whatever the reader may see.
"""

from collections.abc import Iterator
from typing import Final

import orjson

from kyber.finding import ScanResult
from kyber.logs.store.cluster import Cluster, ClusterError, Verdict
from kyber.logs.store.templates import alerts
from kyber.privacy import mask
from kyber.problem import Place, Problem
from kyber.render.rows import ecs
from kyber.render.safe import every_text
from kyber.text import Words

BODY: Final = 5 * 2**20
"""Bytes of one request, about."""


def write(cluster: Cluster, namespace: str, result: ScanResult, words: Words) -> tuple[Problem, ...]:
    """Write all findings of a result to the alerts of a namespace; what stood in the way (F52).

    Nothing is tried again: the next scan of the same days does.
    """
    index = alerts(namespace)
    undone, reason = 0, ""
    requests = list(_requests(result, index, words))
    for place, (count, lines) in enumerate(requests):
        try:
            refused = [one for one in cluster.bulk(lines) if one.status >= 300]
        except ClusterError as error:
            undone += sum(count for count, _ in requests[place:])
            reason = str(error)
            break
        undone += len(refused)
        reason = _why(refused[0]) if refused else reason
    if not undone:
        return ()
    return (Problem(Place(index), "F52", {"count": undone, "cluster": cluster.name, "reason": reason}),)


def _why(verdict: Verdict) -> str:
    return f"{verdict.status} {verdict.reason}".strip()


def _requests(result: ScanResult, index: str, words: Words) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of each request, and of how many findings they are."""
    masked = every_text(result, mask)
    lines: list[bytes] = []
    size = 0
    for finding, document in zip(result.findings, ecs(masked, words).splitlines(), strict=True):
        body = document.encode()
        if lines and size + len(body) > BODY:
            yield len(lines) // 2, lines
            lines, size = [], 0
        lines += [orjson.dumps({"index": {"_index": index, "_id": finding.id}}), body]
        size += len(body)
    if lines:
        yield len(lines) // 2, lines
