"""kyber: security logs, risks and continuity of an organisation, in one workspace of plain text.

The path of the data, and where each step lives:

    sources/*.yaml, paths        kyber.logs.source, kyber.logs.inputs    bytes -> chunks of raw records
    -> parse                     kyber.logs.formats                     raw records -> events, rejects, blanks
    -> normalise                 kyber.logs.batch, kyber.logs.schema    events -> dictionary-encoded columns
    -> match                     kyber.logs.sigma                       columns and rules -> rows, or Blind
    -> findings                  kyber.logs.scan, kyber.finding         rows -> one finding a rule, group and day
    -> shown                     kyber.render, kyber.text               findings -> terminal, page, lines, in fi, sv, en

`kyber.cli` is the only room that reads the clock, the environment and the terminal.
"""
