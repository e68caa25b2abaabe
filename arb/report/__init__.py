"""Drawing a result: the terminal's table, `report.html` and the charts.

Everything that is shown was computed in `arb.results`; nothing is computed here but places on a page. Start with
`layout`, which decides what is shown, then `html` and `terminal`.
"""
