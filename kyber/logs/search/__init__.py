"""Searching events by a query that a person types: query (text -> syntax), when (times as people write them), meaning
(syntax -> tests), fields (names -> columns), run (tests -> rows), hits (rows -> events), count (rows -> numbers), sql.
"""
