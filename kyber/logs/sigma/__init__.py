"""Sigma: rules in, matches out.

`rule` reads files; `detection`, `condition` and `modifier` read what is in them; `predicate` says what a leaf asks of
a value; `plan` joins rules that ask the same; `judge` answers for values; `match` runs a plan over batches; `evidence`
says why one event matched. `correlation` reads what looks at many events; `occurrences` gathers them where matching is,
`sliding` measures windows, and `correlate` makes findings of them.
"""
