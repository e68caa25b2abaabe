// The watcher's page: fills its frame with what the server sends. Texts are set as text, never as HTML.
"use strict";

const EVENTS_MAX = 400, LAST_MAX = 1200, WHOLE_MAX = 2600, SKETCHED_MAX = 300, MARKS_MAX = 4000;
const byId = (id) => document.getElementById(id);
let chosen = "", runs = new Map(), shown = null, stream = null, charts = null, library = null, isWhole = true;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== "") element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function legName(name) {
  const [venue, ...rest] = name.split(":");
  return rest.length ? [venue + ":", make("wbr"), rest.join(":")] : [name];
}

function timeText(ms, isLong = false) {
  const text = new Date(ms).toISOString();
  return isLong ? text.slice(0, 10) + " " + text.slice(11, 19) : text.slice(11, 23);
}

async function read(path) {
  const answer = await fetch(path, {cache: "no-store"});
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer.json();
}

// The list of sessions.

function number([text, kind, value], key) {
  return make(typeof value === "number" ? "data" : "span", {
    class: kind, "data-key": key, value: typeof value === "number" ? String(value) : undefined}, text);
}

function runRow(run) {
  const fills = number(run.fills, "fills"), profit = number(run.profit, "pnl_quote");
  const place = [make("b", {}, run.name)];
  place.push(make("small", {}, [run.command, run.began.slice(0, 19).replace("T", " ")].filter(Boolean).join(", since ")));
  if (run.accounts.length) place.push(make("small", {}, run.accounts.join(" ")));
  const state = [make("span", {class: run.class}, run.state || "-")];
  if (run.note) state.push(make("small", {}, run.note));
  return make("a", {class: "run" + (run.name === chosen ? " chosen" : ""), href: "#" + encodeURIComponent(run.name), "data-name": run.name},
    make("span", {}, ...place), make("span", {}, ...run.legs.flatMap((leg, n) => [n ? " " : "", make("span", {class: "leg"}, ...legName(leg))])),
    make("span", {}, ...state), make("span", {class: "number", "data-label": "fills"}, fills),
    make("span", {class: "number", "data-label": "profit"}, profit),
    make("span", {}, make("small", {}, run.last ? `${timeText(run.last[1]).slice(0, 8)} ${run.last[2]}: ${run.last[3]}` : ""),
      ...(run.alarm ? [make("small", {class: run.alarm[2] ? "warn" : "bad", title: run.alarm[1]}, `alarm ${run.alarm[0]}`)] : [])));
}

function showProblems(problems) {
  byId("problems").replaceChildren(...problems.map((text) => make("p", {class: "note"}, text)));
}

function showRuns(list) {
  runs = new Map(list.map((run) => [run.name, run]));
  const heads = ["Session", "Legs", "State", "Fills", "Profit", "Last event, last alarm"];
  byId("runs").replaceChildren(
    make("div", {class: "run heads"}, ...heads.map((head, n) => make("span", {class: n === 3 || n === 4 ? "number" : ""}, head))),
    ...(runs.size ? list.map(runRow) : [make("p", {}, "There is no run in these folders yet.")]));
  if (shown && runs.has(chosen)) showState(runs.get(chosen));
}

function changeRuns(changed, names) {
  for (const run of changed) runs.set(run.name, run);
  if (names) {
    showRuns(names.map((name) => runs.get(name)).filter(Boolean));
    return;
  }
  const rows = new Map([...byId("runs").querySelectorAll("a")].map((row) => [row.dataset.name, row]));
  for (const run of changed) rows.get(run.name)?.replaceWith(runRow(run));
  if (shown && runs.has(chosen)) showState(runs.get(chosen));
}

function showState(run) {
  byId("title").replaceChildren(`${run.command || "session"} ${run.name}: `,
    make("span", {class: run.class, "data-key": "outcome"}, run.state));
  byId("note").hidden = !run.note;
  byId("note").textContent = run.note;
}

// The figures of the chosen session.

function showSheet(sheet) {
  const numbers = sheet.numbers;
  byId("tiles").replaceChildren(...sheet.tiles.map(([label, key]) =>
    make("div", {class: "card tile"}, make("span", {}, label), make("b", {}, number(numbers[key], key)))));
  byId("tables").replaceChildren(...sheet.tables.map((table) => {
    const cells = (row) => row.map((cell, n) => cell.key ? make("td", {}, number(numbers[cell.key], cell.key))
      : make("td", {class: "text", "data-label": table.heads[n]}, cell.text));
    const body = make("tbody", {}, ...table.rows.map(([label, row]) =>
      make("tr", {}, make("th", {}, ...label.split(/(?<=:)/).flatMap((part, n) => n ? [make("wbr"), part] : [part])), ...cells(row))));
    const head = table.heads.length
      ? [make("thead", {}, make("tr", {}, make("th"), ...table.heads.map((name) => make("th", {}, ...legName(name)))))] : [];
    const isText = table.rows.every(([, row]) => row.length > 2 && row.every((cell) => !cell.key));
    return make("section", {class: "card" + (table.heads.length > 1 ? " many" : "") + (isText ? " lines" : "")},
      make("h2", {}, table.title), make("table", {}, ...head, body));
  }));
}

function eventRow([no, ms, kind, text]) {
  const state = {fill: "long", hedged: "good", missed: "warn", reversed: "warn", halted: "bad", error: "bad",
    refused: "warn", rejected: "warn", halt: "bad", risk: "bad"}[kind] || "";
  return make("tr", {"data-event": no}, make("td", {title: new Date(ms).toISOString()}, timeText(ms, true).slice(11)),
    make("td", {}, make("b", {class: state}, kind), " ", text));
}

function showEvents(id, events) {
  const body = make("tbody", {}, ...events.map(eventRow).reverse());
  byId(id).replaceChildren(events.length ? make("table", {}, body) : make("p", {class: "unknown"}, "none"));
}

// As the server's marks_of.
function addMark([, ms, kind, , data]) {
  const isFill = kind === "fill", side = data.purpose == null ? "entry" : "exit";
  const columns = isFill ? shown.marks[data.side] : kind === "attempt" ? shown.marks[side] : undefined;
  const value = data[isFill ? "price" : "edge_bps"];
  if (!columns || typeof value !== "number") return;
  columns[0].push(ms);
  columns[1].push(value);
  if (columns[0].length > MARKS_MAX) columns.forEach((values) => values.shift());
}

function addEvents(events) {
  const trading = new Set(shown.tradingKinds);
  for (const event of events) {
    if (event[0] <= shown.lastEvent) continue;
    shown.lastEvent = event[0];
    const name = trading.has(event[2]) ? "trading" : "others";
    shown[name].push(event);
    addMark(event);
    if (shown[name].length > EVENTS_MAX) shown[name].shift();
    let body = byId(name).querySelector("tbody");
    if (!body) {
      showEvents(name, []);
      body = make("tbody");
      byId(name).replaceChildren(make("table", {}, body));
    }
    body.prepend(eventRow(event));
    if (body.rows.length > EVENTS_MAX) body.deleteRow(-1);
  }
  if (charts) charts.marks();
}

// Charts: bands from the least to the largest value of each row.

function load(path) {
  return new Promise((resolve, reject) => {
    const script = make("script", {src: path});
    script.async = false;  // in their order
    script.onload = resolve;
    script.onerror = () => reject(new Error("the charts cannot be loaded"));
    document.head.append(script);
  });
}

function loadLibrary() {
  library = library || Promise.all(document.body.dataset.scripts.split(" ").map(load));
  return library;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

function figureOf(title, height, options = {}) {
  const plot = new Bokeh.Plotting.Figure({
    title, height, sizing_mode: "stretch_width", x_axis_type: "datetime", // On a narrow screen a finger scrolls the page.
    tools: innerWidth < 720 ? "" : "xbox_zoom", toolbar_location: null,
    background_fill_color: null, border_fill_color: null, outline_line_color: null, min_border_left: 58, ...options});
  for (const axis of [...plot.xaxes, ...plot.yaxes]) {
    axis.axis_line_color = axis.major_tick_line_color = colour("gray");
    axis.minor_tick_line_color = null;
    axis.major_label_text_color = colour("quiet");
    axis.major_label_text_font_size = "11px";
  }
  for (const axis of plot.xaxes) {
    Object.assign(axis.formatter, {seconds: "%H:%M:%S", minsec: "%H:%M:%S", minutes: "%H:%M", hourmin: "%H:%M", hours: "%H:%M"});
    if (innerWidth < 720) axis.ticker.desired_num_ticks = 3; // Times must not run into each other.
  }
  for (const grid of [...plot.xgrids, ...plot.ygrids]) grid.grid_line_color = colour("rule");
  plot.title.text_color = colour("ink");
  plot.title.text_font_size = "13px";
  return plot;
}

// Above the plot, where it covers nothing; on a narrow screen an entry a line.
function legendOf(plot) {
  const legend = plot.legend, isNarrow = innerWidth < 720;
  Object.assign(legend, {
    location: "top_left", orientation: isNarrow ? "vertical" : "horizontal", background_fill_color: null, border_line_color: null, spacing: isNarrow ? 0 : 14,
    label_text_color: colour("ink"), label_text_font_size: "11px", padding: 2, margin: 2, glyph_height: 14, label_height: 14,
    click_policy: "hide"});
  plot.center = plot.center.filter((one) => one !== legend);
  plot.add_layout(legend, "above");
}

const EDGES_TITLE = "Edge both ways after fees (bps)", TOUCHES_TITLE = "Best bid to best ask of each leg";
const BANDS = ["blue", "orange", "green", "violet", "red", "gray"];

class Charts {
  constructor() {
    const {ColumnDataSource} = Bokeh;
    this.sources = {};
    this.edges = figureOf(EDGES_TITLE, 260);
    this.touches = figureOf(TOUCHES_TITLE, 260, {x_range: this.edges.x_range});
    this.profit = figureOf("Profit (quote)", 170, {x_range: this.edges.x_range});
    this.bands = new ColumnDataSource({data: {}});
    this.marked = Object.fromEntries(Object.keys(shown.marks).map((name) => [name, new ColumnDataSource({data: {}})]));
    this.fill();
    shown.edges.forEach(([buy], n) => this.band(this.edges, `e${n}`, `buy ${buy}`, BANDS[n % BANDS.length]));
    shown.legs.forEach((leg, n) => this.band(this.touches, `l${n}`, leg, BANDS[n % BANDS.length]));
    if (shown.threshold_bps !== null) {
      this.edges.add_layout(new Bokeh.Span({location: shown.threshold_bps, dimension: "width", line_color: colour("gray"), line_dash: [5, 4]}));
    }
    for (const [name, plot, marker, fill, line, label] of [
      ["entry", this.edges, "diamond", "ink", "ink", "entry"], ["exit", this.edges, "diamond", "card", "ink", "exit or move back"],
      ["buy", this.touches, "triangle", "gain", "card", "buy"], ["sell", this.touches, "inverted_triangle", "loss", "card", "sell"]]) {
      plot.scatter({field: "t"}, {field: "y"}, {source: this.marked[name], size: 9, marker,
        fill_color: colour(fill), line_color: colour(line), legend_label: label});
    }
    this.band(this.profit, "p0", undefined, "blue");
    for (const plot of [this.edges, this.touches]) legendOf(plot);
    byId("plots").replaceChildren();
    // In one document, because they share their times.
    this.ready = Bokeh.Plotting.show([this.edges, this.touches, this.profit], byId("plots"));
  }

  band(plot, name, label, hue) {
    const options = {source: this.bands, ...(label && {legend_label: label})};
    plot.varea({field: "t"}, {field: name + "low"}, {field: name + "high"}, {...options, fill_color: colour(hue), fill_alpha: 0.3});
    plot.line({field: "t"}, {field: name + "high"}, {...options, line_color: colour(hue), line_width: 1.2});
  }

  fill() {
    const rows = (isWhole ? shown.whole : shown.recent) || {t: [], legs: shown.legs.map(() => [[], []]), edges: shown.edges.map(() => [[], []]), pnl: [[], []]};
    const data = {t: rows.t};
    const put = (name, pairs) => pairs.forEach(([low, high], n) => {
      data[`${name}${n}low`] = low.map((value) => value === null ? NaN : value);
      data[`${name}${n}high`] = high.map((value) => value === null ? NaN : value);
    });
    put("e", rows.edges);
    put("l", rows.legs);
    put("p", [rows.pnl]);
    this.bands.data = data;
    this.marks();
  }

  marks() {
    const from = (isWhole ? shown.whole : shown.recent)?.t[0] ?? 0;
    for (const [name, source] of Object.entries(this.marked)) {
      const [times, values] = shown.marks[name], first = times.findIndex((t) => t >= from);
      source.data = first < 0 ? {t: [], y: []} : {t: times.slice(first), y: values.slice(first)};
    }
  }
}

// The same bands without axes, which take no library: the charts replace them.
function sketch() {
  // A point for a few pixels is enough.
  const step = Math.ceil(shown.whole.t.length / SKETCHED_MAX), count = Math.ceil(shown.whole.t.length / step);
  const merged = (values, choose) => Array.from({length: count}, (_, n) => {
    const known = values.slice(n * step, (n + 1) * step).filter((value) => value !== null);
    return known.length ? choose(...known) : null;
  });
  const of = (title, all) => {
    const pairs = all.map(([low, high]) => [merged(low, Math.min), merged(high, Math.max)]);
    const values = pairs.flat(2).filter((value) => value !== null);
    const least = Math.min(...values), most = Math.max(...values);
    const point = (value, n) => value === null ? "" : `${n} ${100 * (most - value) / (most - least || 1)} `;
    const picture = byId("sketch").content.firstElementChild.cloneNode(true), pattern = picture.firstElementChild;
    picture.setAttribute("viewBox", `0 0 ${count} 100`);
    picture.replaceChildren(...pairs.map(([low, high], n) => {
      const band = pattern.cloneNode();
      band.setAttribute("points", high.map(point).join("") + low.map(point).reverse().join(""));
      band.setAttribute("class", BANDS[n % BANDS.length]);
      return band;
    }));
    return [make("b", {}, title), make("small", {}, values.length ? ` from ${least} to ${most}` : ""), picture];
  };
  byId("plots").replaceChildren(...of(EDGES_TITLE, shown.whole.edges), ...of(TOUCHES_TITLE, shown.whole.legs));
}

const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

async function draw() {
  const name = chosen;
  byId("charts").hidden = !(shown.whole && shown.legs.length);
  if (byId("charts").hidden) return;
  try {
    if (!library) {
      sketch();
      await painted();
      performance.mark("day");
    }
    await loadLibrary();
    if (name !== chosen) return;
    charts = new Charts();
    await charts.ready;
    await painted();
    performance.mark("charts");
  } catch (error) {
    byId("plots").textContent = String(error.message || error);
  }
}

const columnsOf = (rows) => [rows.t, ...rows.legs.flat(), ...rows.edges.flat(), ...rows.pnl];

function addRows(rows, name, most) {
  const kept = shown[name];
  if (!kept) {
    shown[name] = rows;
    return;
  }
  const fresh = columnsOf(rows);
  columnsOf(kept).forEach((values, n) => values.push(...fresh[n]));
  const over = kept.t.length - most;
  if (over > 0) {
    if (name === "whole") {
      shown.isStale = true;
      return;
    }
    columnsOf(kept).forEach((values) => values.splice(0, over));
  }
}

function addSeries(rows) {
  const last = shown.recent?.t.at(-1) ?? 0, from = rows.t.findIndex((t) => t > last);
  if (from < 0) return;
  const cut = (pairs) => pairs.map((sides) => sides.map((values) => values.slice(from)));
  const fresh = {t: rows.t.slice(from), legs: cut(rows.legs), edges: cut(rows.edges), pnl: cut([rows.pnl])[0]};
  addRows(structuredClone(fresh), "recent", LAST_MAX);
  addRows(fresh, "whole", WHOLE_MAX);
  if (charts) charts.fill();
  else if (byId("charts").hidden) choose(chosen);
}

// The stream of what is new.

function apply(message) {
  if (message.whole) showSession(message.whole);
  if (message.runs) changeRuns(message.runs, message.names);
  if (message.problems) showProblems(message.problems);
  if (!shown) return;
  if (message.sheet) showSheet(message.sheet);
  if (message.events) addEvents(message.events);
  if (message.series) addSeries(message.series);
  // Too many rows in the page: the server has them merged.
  if (shown.isStale || (message.runs && runs.get(chosen)?.state !== shown.run.state)) {
    choose(chosen);
  }
}

function follow(name) {
  if (stream) stream.close();
  const own = stream = new EventSource("/events" + (name ? "?session=" + encodeURIComponent(name) : ""));
  own.onopen = () => byId("connection").textContent = "live";
  own.onerror = () => {
    if (own === stream) byId("connection").textContent = "no connection to arb watch: trying again";
    if (own === stream && own.readyState === EventSource.CLOSED) setTimeout(() => own === stream && choose(chosen), 3000);
  };
  // The first message after each connection is the whole session: nothing is lost between the two.
  own.onmessage = (event) => own === stream && apply(JSON.parse(event.data));
}

function showSession(found) {
  const numbers = [...found.trading, ...found.others].map((event) => event[0]);
  shown = {...found, lastEvent: Math.max(0, ...numbers), isStale: false};
  charts = null;
  byId("session").hidden = false;
  showState(found.run);
  showSheet(found.sheet);
  performance.mark("shown");
  draw();
  // Long lists, after what is above them.
  painted().then(() => shown && ["trading", "others"].forEach((id) => showEvents(id, shown[id])));
}

function choose(name) {
  chosen = name;
  byId("session").hidden = !name;
  shown = null;
  follow(name);
}

function fromAddress() {
  const name = decodeURIComponent(location.hash.slice(1));
  if (name !== chosen || !stream) choose(name);
}

for (const id of ["recent", "whole"]) {
  byId(id).addEventListener("click", () => {
    isWhole = id === "whole";
    byId("recent").setAttribute("aria-pressed", String(!isWhole));
    byId("whole").setAttribute("aria-pressed", String(isWhole));
    if (charts) charts.fill();
    charts?.edges.x_range.reset();
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown && draw());
addEventListener("hashchange", fromAddress);

// Without a session in the address: the newest that goes on, else the newest.
async function begin() {
  if (!location.hash) {
    const {runs: list} = await read("/data/runs.json");
    const first = list.find((run) => run.state === "running") || list[0];
    if (first) history.replaceState(null, "", "#" + encodeURIComponent(first.name));
  }
  fromAddress();
}

begin().catch((error) => {
  byId("connection").textContent = String(error.message || error);
  fromAddress();
});
