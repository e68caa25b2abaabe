"""The frame of a sweep's page, which `page` fills, and what its style adds to that of a run's report."""

from __future__ import annotations

SWEEP_STYLE = """
main{max-width:1280px}
.verdict{margin:0 0 8px;font-size:17px}
.tile small{display:block;margin-top:4px;white-space:normal}
.tile small data{white-space:nowrap}
.tiles{grid-template-columns:repeat(auto-fit,minmax(min(100%,250px),1fr))}
.controls{display:flex;flex-wrap:wrap;gap:6px 14px;margin:0 0 8px;font-size:13px;color:var(--quiet)}
.controls label{display:flex;gap:6px;align-items:center;min-width:0}
select{font:inherit;color:var(--ink);background:var(--paper);border:1px solid var(--rule);border-radius:7px;
padding:2px 6px;max-width:min(60vw,320px)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:0 14px}
.pair>*{min-width:0}
.plot{min-height:60px;overflow:hidden}
.narrow td,.narrow th{overflow-wrap:anywhere}
.wide table{font-size:13px}
.wide thead th{vertical-align:bottom;font-weight:600}
.sets thead th{min-width:64px}
[hidden]{display:none!important}
@media (max-width:600px){main{padding:12px 8px 32px}.narrow td{white-space:normal}.narrow table{font-size:13px}}
"""

#: Filled by `str.format`.
BODY = """{header}
{notes}
<section class="luck">{luck}</section>
{curves}
<section class="card wide narrow"><h2>Peak and plateau</h2>{best}</section>
<section class="card" data-needs="keys"><h2>Results by key</h2>
<div class="controls"><label>across <select id="x"></select></label><label>up <select id="y"></select></label>
<label>figure <select id="figure"></select></label><label>of the sets in a cell the
<select id="choice"><option value="best">best</option><option value="median">median</option></select></label></div>
<div class="pair"><div class="plot" id="peaks"></div><div class="plot" id="plateaus"></div></div></section>
<section class="card" data-needs="keys"><h2>All keys</h2><div class="plot" id="parallel"></div></section>
<div class="pair"><section class="card" data-needs="front"><h2>Front of two figures</h2>
<div class="plot" id="front"></div></section>
<section class="card" data-needs="ranks"><h2>Where the chosen set is afterwards</h2>
<div class="plot" id="ranks"></div></section></div>
{walk}
<details class="card wide sets" open><summary>The best sets</summary>{sets}</details>
<details class="card wide sets"><summary>The sets of the front</summary>{front}</details>
<footer>Money in quote units, quantities in base units, times in UTC. Beside this page:
<a href="sweep.json">sweep.json</a>, <a href="results.jsonl">results.jsonl</a>, <a href="sweep.csv">sweep.csv</a>.
Simulated results are not a promise.</footer>"""
