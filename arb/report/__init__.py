"""Drawing a result: the terminal's table, `report.html` and the charts.

Every figure is computed in `arb.results`; this package only computes layout. Start with `layout`, which decides what
is shown, then `html` and `terminal`.
"""
