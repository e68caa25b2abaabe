// Draws the charts of a sweep's page from the data in it. Texts are set as text, never as HTML.
"use strict";

const LINES_MAX = 1000, CELLS_MAX = 40, TICKS = innerWidth < 720 ? 4 : 8;
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const sets = data.setNos.length, isNarrow = innerWidth < 720;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const last = (name) => name.split(".").at(-1);
const isKnown = (value) => value !== null && value !== undefined;

function text(value) {
  if (typeof value !== "number") return value === null ? "-" : String(value);
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e6 || size < 1e-3) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// A palette from low to high values, and its ends: two hues about zero, or one.

function mix(from, to, share) {
  const part = (hex, n) => parseInt(hex.slice(1 + 2 * n, 3 + 2 * n), 16);
  return "#" + [0, 1, 2].map((n) => Math.round(part(from, n) * (1 - share) + part(to, n) * share).toString(16).padStart(2, "0")).join("");
}

function full(hex) {
  return hex.length === 4 ? "#" + [...hex.slice(1)].map((digit) => digit + digit).join("") : hex;
}

function colours(values, middleName = "rule") {
  const known = values.filter(isKnown);
  let low = known.reduce((a, b) => Math.min(a, b), Infinity), high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!known.length) [low, high] = [0, 1];
  const middle = full(colour(middleName)), warm = full(colour("orange")), cold = full(colour("blue")), steps = 33;
  const isAboutZero = low < 0 && high > 0;
  // Losses beyond three times the best profit have the darkest colour: they would make all profits look alike.
  if (isAboutZero) high = Math.max(high, Math.min(-low, 3 * high)), low = -high;
  if (low === high) high = low + (Math.abs(low) || 1) * 1e-3;
  const palette = Array.from({length: steps}, (_, n) => {
    const share = n / (steps - 1);
    if (!isAboutZero) return high <= 0 ? mix(warm, middle, share) : mix(middle, cold, share);
    return share < 0.5 ? mix(warm, middle, 2 * share) : mix(middle, cold, 2 * share - 1);
  });
  return new Bokeh.LinearColorMapper({palette, low, high, nan_color: colour("card")});
}

function figureOf(title, height, options = {}) {
  const plot = new Bokeh.Plotting.Figure({
    title, height, sizing_mode: "stretch_width", tools: "", toolbar_location: null, // On a narrow screen a finger scrolls the page.
    background_fill_color: null, border_fill_color: null, outline_line_color: null, min_border_left: isNarrow ? 44 : 62,
    ...options});
  for (const axis of [...plot.xaxes, ...plot.yaxes]) {
    axis.axis_line_color = axis.major_tick_line_color = colour("gray");
    axis.minor_tick_line_color = null;
    axis.major_label_text_color = axis.axis_label_text_color = colour("quiet");
    axis.major_label_text_font_size = axis.axis_label_text_font_size = "11px";
    axis.axis_label_text_font_style = "normal";
  }
  for (const grid of [...plot.xgrids, ...plot.ygrids]) grid.grid_line_color = colour("rule");
  plot.title.text_color = colour("ink");
  plot.title.text_font_size = isNarrow ? "11px" : "13px";
  return plot;
}

function legendOf(plot, location = "top_left") {
  Object.assign(plot.legend, {
    background_fill_alpha: 0.6, background_fill_color: colour("card"), border_line_color: null, padding: 2,
    label_text_color: colour("ink"), label_text_font_size: "11px", location});
}

const field = (name) => ({field: name});
const source = (columns) => new Bokeh.ColumnDataSource({data: columns});
const show = (plot, id) => {
  byId(id).replaceChildren();
  return Bokeh.Plotting.show(plot, byId(id));
};

// The values of a key as places of cells: every level, or ranges of as many levels each.

function cellsOf(key) {
  const count = Math.min(key.levels.length, CELLS_MAX);
  const place = (level) => Math.floor(level * count / key.levels.length);
  const names = Array(count).fill("");
  key.levels.forEach((value, level) => names[place(level)] ||= text(value));
  return {count, of: key.of.map(place), names, name: key.name};
}

function label(axis, cells) {
  const step = Math.ceil(cells.count / TICKS);
  const ticks = cells.names.map((_, n) => n).filter((n) => n % step === 0);
  axis.ticker = new Bokeh.FixedTicker({ticks});
  axis.major_label_overrides = new Map(ticks.map((n) => [n, cells.names[n].length > 12 ? cells.names[n].slice(0, 11) + "…" : cells.names[n]]));
  axis.axis_label = cells.name;
}

function heatMap(id, title, across, up, values, pick, isHigh, marked) {
  const found = new Map();
  values.forEach((value, n) => {
    if (!isKnown(value)) return;
    const cell = across.of[n] * up.count + up.of[n];
    if (!found.has(cell)) found.set(cell, []);
    found.get(cell).push(value);
  });
  const best = (list) => list.reduce((a, b) => (isHigh ? b > a : b < a) ? b : a);
  const x = [], y = [], v = [], count = [];
  for (const [cell, list] of found) {
    x.push(Math.floor(cell / up.count));
    y.push(cell % up.count);
    v.push(pick === "best" ? best(list) : median(list));
    count.push(list.length);
  }
  const plot = figureOf(title, isNarrow ? 300 : 380, {
    x_range: [-0.5, across.count - 0.5], y_range: [-0.5, up.count - 0.5]});
  const mapper = colours(v);
  const cells = plot.rect(field("x"), field("y"), 1, 1, {source: source({x, y, v, count}), line_color: null,
    fill_color: {field: "v", transform: mapper}});
  plot.add_tools(new Bokeh.HoverTool({renderers: [cells], tooltips: [[title, "@v"], ["sets", "@count"]]}));
  if (marked !== null) {
    plot.scatter([across.of[marked]], [up.of[marked]], {size: 14, marker: "circle", fill_color: null, line_color: colour("ink"), line_width: 2});
  }
  for (const grid of [...plot.xgrids, ...plot.ygrids]) grid.visible = false;
  label(plot.xaxis, across);
  label(plot.yaxis, up);
  plot.add_layout(new Bokeh.ColorBar({color_mapper: mapper, width: 10, padding: 4, background_fill_color: null, bar_line_color: null,
    major_label_text_color: colour("quiet"), major_label_text_font_size: "10px", major_tick_line_color: null}), "right");
  return show(plot, id);
}

// One key: every set, and the median of its neighbours, by its value.

function curve(key, values) {
  const cells = cellsOf({...key, levels: key.levels});
  const x = key.isNumber ? key.of.map((level) => key.levels[level]) : cells.of;
  const order = x.map((_, n) => n).filter((n) => isKnown(values[n])).sort((a, b) => x[a] - x[b]);
  const plot = figureOf(`${byId("figure").value} by ${key.name}`, 320);
  const isOfBy = byId("figure").value === data.by;
  plot.scatter(order.map((n) => x[n]), order.map((n) => values[n]), {size: 5, color: colour("blue"), legend_label: "sets"});
  if (isOfBy) {
    plot.line(order.map((n) => x[n]), order.map((n) => data.plateau[n] ?? NaN), {line_color: colour("orange"), line_width: 2, legend_label: "median of neighbours"});
  }
  plot.xaxis.axis_label = key.name;
  if (!key.isNumber) label(plot.xaxis, cells);
  legendOf(plot);
  byId("plateaus").hidden = true;
  return show(plot, "peaks");
}

function twoKeys() {
  const name = byId("figure").value, values = data.figures[name], isHigh = data.isHighGood[name];
  if (data.keys.length === 1) return [curve(data.keys[0], values)];
  const [across, up] = ["x", "y"].map((id) => cellsOf(data.keys[byId(id).value]));
  const pick = byId("choice").value, isBy = name === data.by;
  return [
    heatMap("peaks", `${pick === "best" ? "Peak" : "Median"}: ${name}`, across, up, values, pick, isHigh, isBy ? data.best : null),
    heatMap("plateaus", isNarrow ? "Plateau: median of neighbours" : `Plateau: median of neighbours, ${data.by}`, across, up, data.plateau, pick, data.isHighGood[data.by], data.bestPlateau)];
}

// Sets as lines over all keys and the figure; the best ones, and every so many of the others.

function drawnLines() {
  const values = data.figures[data.by], isHigh = data.isHighGood[data.by];
  const known = values.map((_, n) => n).filter((n) => isKnown(values[n]));
  const order = known.sort((a, b) => (isHigh ? values[b] - values[a] : values[a] - values[b]) || a - b);
  if (order.length <= LINES_MAX) return order.reverse();
  const top = order.slice(0, LINES_MAX / 5), others = order.slice(LINES_MAX / 5), step = others.length / (LINES_MAX - top.length);
  return [...top, ...Array.from({length: LINES_MAX - top.length}, (_, n) => others[Math.floor(n * step)])].reverse();
}

function parallel() {
  const values = data.figures[data.by], lines = drawnLines();
  const known = values.filter(isKnown), low = known.reduce((a, b) => Math.min(a, b), Infinity), high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  const share = (value) => (value - low) / (high - low || 1);
  const axes = [...data.keys.map((key) => ({name: key.name, at: (n) => key.of[n] / Math.max(key.levels.length - 1, 1),
    ends: [text(key.levels[0]), text(key.levels.at(-1))]})), {name: data.by, at: (n) => share(values[n]), ends: [text(low), text(high)]}];
  const places = axes.map((_, n) => n);
  const plot = figureOf(`${lines.length.toLocaleString("en")} of ${known.length.toLocaleString("en")} sets, coloured by ${data.by}`,
    isNarrow ? 340 : 400, {x_range: [-0.4, axes.length - 0.6], y_range: [-0.09, 1.09], min_border_left: 8});
  const mapper = colours(values, "gray"), span = lines.length;
  plot.multi_line(field("xs"), field("ys"), {source: source({xs: lines.map(() => places), ys: lines.map((n) => axes.map((axis) => axis.at(n))),
    v: lines.map((n) => values[n])}), line_color: {field: "v", transform: mapper}, line_width: 1.2, line_alpha: span > 200 ? 0.35 : 0.7});
  if (data.best !== null) {
    plot.line(places, axes.map((axis) => axis.at(data.best)), {line_color: colour("ink"), line_width: 2.5});
  }
  plot.segment(places, places.map(() => 0), places, places.map(() => 1), {line_color: colour("gray"), line_width: 1});
  const words = {text_align: "center", text_color: colour("ink"), text_font_size: "11px"};
  plot.text(places, places.map(() => -0.02), axes.map((axis) => axis.ends[0]), {...words, text_baseline: "top"});
  plot.text(places, places.map(() => 1.02), axes.map((axis) => axis.ends[1]), {...words, text_baseline: "bottom"});
  plot.yaxis.visible = false;
  for (const grid of [...plot.xgrids, ...plot.ygrids]) grid.visible = false;
  plot.xaxis.ticker = new Bokeh.FixedTicker({ticks: places});
  plot.xaxis.major_label_overrides = new Map(places.map((n) => [n, last(axes[n].name)]));
  if (axes.length > (isNarrow ? 2 : 7)) plot.xaxis.major_label_orientation = isNarrow ? 1.1 : 0.6;
  return show(plot, "parallel");
}

function front() {
  const [one, two] = data.frontBy, x = data.figures[two], y = data.figures[one];
  const places = x.map((_, n) => n).filter((n) => isKnown(x[n]) && isKnown(y[n]));
  const plot = figureOf("", 320);
  const columns = (list) => ({x: list.map((n) => x[n]), y: list.map((n) => y[n]), no: list.map((n) => data.setNos[n])});
  const all = plot.scatter(field("x"), field("y"), {source: source(columns(places)), size: 4, color: colour("gray"), alpha: 0.5, legend_label: "sets"});
  const line = [...data.front].sort((a, b) => x[a] - x[b]);
  plot.line(line.map((n) => x[n]), line.map((n) => y[n]), {line_color: colour("blue"), line_width: 1.5});
  const chosen = plot.scatter(field("x"), field("y"), {source: source(columns(line)), size: 7, color: colour("blue"), legend_label: "front"});
  plot.add_tools(new Bokeh.HoverTool({renderers: [all, chosen], tooltips: [["set", "@no"], [one, "@y"], [two, "@x"]]}));
  if (data.best !== null && isKnown(x[data.best]) && isKnown(y[data.best])) {
    plot.scatter([x[data.best]], [y[data.best]], {size: 14, marker: "circle", fill_color: null, line_color: colour("ink"), line_width: 2, legend_label: "best"});
  }
  plot.xaxis.axis_label = two;
  plot.yaxis.axis_label = one;
  legendOf(plot, "bottom_right");
  return show(plot, "front");
}

function ranks() {
  const count = data.ranks.length, left = data.ranks.map((_, n) => n / count), total = data.ranks.reduce((a, b) => a + b, 0);
  const plot = figureOf("", 320, {x_range: [0, 1]});
  plot.quad(left, left.map((x) => x + 1 / count), data.ranks.map((n) => 100 * n / total), data.ranks.map(() => 0), {
    fill_color: left.map((x) => colour(x < 0.5 ? "orange" : "blue")), line_color: colour("card"), fill_alpha: 0.85});
  plot.add_layout(new Bokeh.Span({location: 0.5, dimension: "height", line_color: colour("ink"), line_dash: [5, 4]}));
  plot.xaxis.axis_label = "share of the sets that it beats";
  plot.yaxis.axis_label = "% of the splits";
  return show(plot, "ranks");
}

function walk() {
  const steps = data.walk, x = steps.map((step) => step.step);
  const plot = figureOf(data.by, 280);
  const line = (name, hue, words, options = {}) => plot.line(x, steps.map((step) => step[name] ?? NaN), {line_color: colour(hue), line_width: 1.8, legend_label: words, ...options});
  line("before", "gray", "chosen set, when chosen", {line_dash: [5, 4]});
  line("median", "orange", "median of all sets afterwards");
  line("after", "blue", "chosen set afterwards");
  plot.scatter(x, steps.map((step) => step.after ?? NaN), {size: 6, color: colour("blue")});
  plot.xaxis.axis_label = "step";
  legendOf(plot);
  return show(plot, "walk");
}

function curves() {
  const names = [...new Set(data.curves.map((point) => point.key))], hues = ["blue", "orange", "green", "red", "gray"];
  const plot = figureOf("Profit by what is added to each key", 320);
  names.forEach((name, n) => {
    const own = data.curves.filter((point) => point.key === name), hue = colour(hues[n % hues.length]) || colour("gray");
    const x = own.map((point) => point.added), y = own.map((point) => point.pnl_quote ?? NaN);
    plot.line(x, y, {line_color: hue, line_width: 1.8, line_dash: n < hues.length ? [] : [5, 4], legend_label: name});
    plot.scatter(x, y, {size: 6, color: hue});
  });
  plot.xaxis.axis_label = "added";
  plot.yaxis.axis_label = "profit";
  legendOf(plot, "bottom_left");
  return show(plot, "curves");
}

// The controls, and what is drawn.

function options(id, names, chosen) {
  byId(id).replaceChildren(...names.map(([value, name]) => {
    const option = document.createElement("option");
    option.value = value;
    option.textContent = name;
    option.selected = value === chosen;
    return option;
  }));
}

function hide(needs) {
  for (const part of document.querySelectorAll(`[data-needs="${needs}"]`)) part.hidden = true;
}

const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
let drawing = 0;

async function draw() {
  const own = ++drawing, has = data.keys.length && sets > 1;
  const parts = [...(data.curves.length ? [curves] : []), ...(has ? [twoKeys, parallel] : []), ...(data.front.length > 0 && sets > 1 ? [front] : []),
    ...(data.ranks ? [ranks] : []), ...(data.walk && data.walk.length ? [walk] : [])];
  for (const part of parts) {
    await Promise.all([part()].flat());
    await painted();
    if (own !== drawing) return;
  }
  performance.mark("drawn");
  document.body.dataset.drawnMs = String(Math.round(performance.now()));
}

const varied = data.keys.map((key, n) => [n, key]).filter(([, key]) => key.levels.length > 1);
data.keys = varied.map(([, key]) => key);
options("x", data.keys.map((key, n) => [String(n), key.name]), "0");
options("y", data.keys.map((key, n) => [String(n), key.name]), "1");
options("figure", Object.keys(data.figures).map((name) => [name, name]), data.by);
if (data.keys.length < 2) for (const id of ["x", "y", "choice"]) byId(id).closest("label").hidden = true;
if (!data.keys.length || sets < 2) hide("keys");
if (!data.front.length || sets < 2) hide("front");
if (!data.ranks) hide("ranks");
for (const id of ["x", "y", "figure", "choice"]) byId(id).addEventListener("change", () => twoKeys());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
draw();
