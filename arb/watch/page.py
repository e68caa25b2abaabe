"""The watcher's page: its frame, which the script beside it fills. It needs no other server."""

from __future__ import annotations

from collections.abc import Sequence

from arb.report.page_style import STYLE
from arb.report.wording import escape

_STYLE = """
main{max-width:1280px}
header{display:flex;flex-wrap:wrap;gap:0 16px;align-items:baseline}
header p{margin-left:auto;font-size:13px}
h2 small{font-weight:400}
.run{display:grid;grid-template-columns:minmax(0,2.2fr) minmax(0,2fr) 90px 70px 100px minmax(0,2fr);gap:2px 14px;
padding:7px 8px;border-top:1px solid var(--rule);color:inherit;text-decoration:none;font-size:14px}
.run>*{min-width:0;overflow-wrap:anywhere}
.run .number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.run.heads{border-top:0;color:var(--quiet);font-size:13px}
.run.chosen{background:var(--paper);border-radius:8px}
.run small{display:block;font-size:12.5px}
.leg{display:inline-block;margin-right:8px}
#runs{max-height:340px;overflow-y:auto}
#plots{min-height:520px;overflow:hidden}
svg.sketch{height:230px;min-width:0}
.sketch polygon{fill:currentColor;fill-opacity:.5;stroke:currentColor;vector-effect:non-scaling-stroke}
.range{margin-bottom:4px}
button{font:inherit;font-size:13px;color:inherit;background:none;border:1px solid var(--rule);border-radius:7px;
padding:2px 10px;cursor:pointer}
button[aria-pressed=true]{background:var(--paper);border-color:var(--gray)}
.events{max-height:420px;overflow-y:auto}
.events table{margin-top:4px}
.events td{text-align:left;white-space:normal;overflow-wrap:anywhere;padding:3px 0 3px 10px;vertical-align:top}
.events td:first-child{white-space:nowrap;color:var(--quiet);padding-left:0}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:0 14px;align-items:start}
.pair>*{min-width:0}
.tables{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:0 14px;align-items:start}
.tables>*{min-width:0;overflow-x:auto}
.tables .many{grid-column:1/-1}
.tables table{font-size:14px}
.tables td.text{white-space:normal;overflow-wrap:anywhere}
[hidden]{display:none!important}
@media (max-width:720px){main{padding:12px 8px 32px}
.run{grid-template-columns:auto auto 1fr;gap:1px 14px}
.run.heads{display:none}.run>:first-child{grid-column:1/-1}.run>:nth-child(2),.run>:last-child{grid-column:1/-1}
.run .number{text-align:left}.run .number[data-label]::before{content:attr(data-label) " ";color:var(--quiet)}
.tables td,.tables thead th{padding-left:6px}.tables th:first-child{white-space:normal;padding-right:0}
.tables table{font-size:13px}.tables .many table{font-size:12px}
.lines thead{display:none}.lines tr{display:block;padding:4px 0;border-top:1px solid var(--rule)}
.tables .lines td,.tables .lines th{display:inline-block;border:0;padding:0 8px 0 0}
.lines td::before{content:attr(data-label) " ";color:var(--quiet)}}
"""

_BODY = """
<header><h1>arb watch</h1><p id="connection" role="status">connecting</p></header>
<div id="problems"></div>
<section class="card"><h2>Sessions</h2><div id="runs"></div></section>
<section id="session" hidden>
<h1 id="title"></h1>
<p class="note" id="note" hidden></p>
<div class="tiles" id="tiles"></div>
<section class="card" id="charts"><div class="range">
<button type="button" id="whole" aria-pressed="true">whole session</button>
<button type="button" id="recent" aria-pressed="false">last 5 minutes</button></div><div id="plots"></div>
<template id="sketch"><svg class="sketch" preserveAspectRatio="none"><polygon/></svg></template></section>
<section class="tables" id="tables"></section>
<div class="pair">
<section class="card"><h2>Attempts, orders and fills</h2><div class="events" id="trading"></div></section>
<section class="card"><h2>Everything else</h2><div class="events" id="others"></div></section>
</div>
</section>
<footer>Money in quote units, quantities in base units, times in UTC. This page only reads.</footer>
"""


def page(scripts: Sequence[str]) -> str:
    """The HTML. scripts: addresses of the charts' library, which the page loads after its first numbers."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>arb watch</title><style>{STYLE}{_STYLE}</style>"
        '<link rel="icon" href="data:,">'
        '<script src="/static/watch.js" defer></script>'
        + "".join(f'<link rel="preload" as="script" href="{escape(script)}">' for script in scripts)
        + "</head>\n"
        f'<body data-scripts="{escape(" ".join(scripts))}"><main>{_BODY}</main></body></html>\n'
    )
