"""The style sheet of `report.html`: light and dark, narrow and wide, and on paper."""

from __future__ import annotations

STYLE = """
:root{--paper:#f5f6f8;--card:#fff;--ink:#1c2430;--quiet:#5d6875;--rule:#e3e6ea;--note:#fff3d6;--note-ink:#6b4a00;
--blue:#2563b0;--orange:#d9761a;--green:#1d8a4e;--red:#c0392b;--violet:#7d3fb8;--gray:#8a929c;
--gain:#17763f;--loss:#b93024;--long:#2563b0;--short:#a65300}
@media (prefers-color-scheme:dark){:root{--paper:#12161c;--card:#1a2028;--ink:#e4e8ee;--quiet:#98a3b0;--rule:#2b333d;
--note:#3d3213;--note-ink:#f3d996;--blue:#6ea8ea;--orange:#f0a050;--green:#4fc28a;--red:#ee7b6d;--violet:#bd93ea;
--gray:#78828e;--gain:#4fc28a;--loss:#ee7b6d;--long:#6ea8ea;--short:#f0a050}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,"Liberation Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:20px 16px 40px}
header{margin:8px 2px 16px}
h1{font-size:21px;margin:0 0 4px;line-height:1.3;overflow-wrap:anywhere}
h2{font-size:14px;margin:0 0 6px}
p{margin:0}
header p,footer,small{color:var(--quiet)}
code{font-size:.92em}
.note{background:var(--note);color:var(--note-ink);border-radius:8px;padding:10px 14px;margin-bottom:10px;
overflow-wrap:anywhere}
.note a{color:inherit}
.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 14px;margin:0 0 14px}
.setup{display:flex;flex-wrap:wrap;gap:6px 28px}
.setup>*{min-width:0;flex:1 1 min(100%,380px)}
.setup>*+*{flex:1.4 1 min(100%,480px)}
.words td{white-space:normal;overflow-wrap:anywhere}
.setup th:first-child{white-space:nowrap}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(152px,1fr));gap:12px;margin-bottom:14px}
.tile{margin:0;overflow-x:auto}
.tile span:first-child{display:block;font-size:13px;color:var(--quiet)}
.tile b{font-size:19px;font-weight:600;white-space:nowrap}
.columns{columns:3 300px;column-gap:14px}
.columns .card{break-inside:avoid}
.columns table{font-size:14px}
.columns th{white-space:nowrap}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-weight:400;text-align:left;color:var(--quiet);padding:2px 10px 2px 0}
td{text-align:right;padding:2px 0 2px 10px;white-space:nowrap}
tr+tr>*,tbody tr>*{border-top:1px solid var(--rule)}
table:not(:has(thead)) tr:first-child>*{border-top:0}
thead th{text-align:right;color:var(--ink);font-weight:600;padding:2px 0 2px 10px}
thead th:first-child{text-align:left;padding-left:0}
.wide{overflow-x:auto}
.gain,.good{color:var(--gain)}.loss,.bad{color:var(--loss)}.warn,.short{color:var(--short)}.long{color:var(--long)}
.unknown{color:var(--quiet)}
figure{padding:6px 8px!important;overflow-x:auto}
svg{display:block;width:100%;min-width:640px;height:auto}
svg text{fill:var(--quiet);font-size:11.5px;font-variant-numeric:tabular-nums}
svg .title{fill:var(--ink);font-size:14px;font-weight:600}
.grid,.base{stroke:var(--rule);fill:none}
.base{stroke:var(--gray)}
.line{fill:none;stroke:currentColor;stroke-width:1.4;stroke-linejoin:round}
.dashed{stroke-dasharray:5 4}
.dotted{stroke-dasharray:2 3}
svg .tag{paint-order:stroke;stroke:var(--card);stroke-width:3px;stroke-linejoin:round}
.area{fill:currentColor;opacity:.18}
.mark{fill:currentColor;opacity:.8}
.blue{color:var(--blue)}.orange{color:var(--orange)}.green{color:var(--green)}.red{color:var(--red)}
.violet{color:var(--violet)}.gray{color:var(--gray)}.ink{color:var(--ink)}
details summary{cursor:pointer;font-weight:600}
details table{font-size:13px;margin-top:8px}
details td{text-align:right}
footer{font-size:13px;margin:6px 2px}
a{color:var(--blue)}
@media (max-width:600px){.columns th{white-space:normal}
.wide table{font-size:12.5px}.wide td,.wide thead th{padding-left:6px}
.wide th:first-child{white-space:normal!important;padding-right:0}}
@media print{svg{min-width:0}body{background:#fff}.card{break-inside:avoid}}
"""
