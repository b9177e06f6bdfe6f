"use strict";
// Draws the charts, sorts the tables, switches the theme, explores the tensors.

const report = JSON.parse(document.getElementById("report").textContent);
const { config, charts } = JSON.parse(document.getElementById("specs").textContent);
const byId = (id) => document.getElementById(id);

// --- charts --------------------------------------------------------------------------------

function draw(place, spec) {
  const narrow = place.clientWidth < 500;
  const fitted = structuredClone(config);
  if (narrow) {
    fitted.axis.labelLimit = 110;
    fitted.axis.labelFontSize = 11;
  }
  const options = { actions: false, renderer: "svg", config: fitted, ast: false };
  return vegaEmbed(place, spec, options).catch((error) => {
    place.textContent = `This chart could not be drawn: ${error.message}`;
    throw error;
  });
}

const drawn = [...document.querySelectorAll("[data-chart]")].map((place) =>
  draw(place, charts[place.dataset.chart]),
);

// --- theme ---------------------------------------------------------------------------------

const switcher = byId("theme");
const systemDark = window.matchMedia("(prefers-color-scheme: dark)");

function remembered() {
  try {
    return localStorage.getItem("intact-theme");
  } catch {
    return null; // a page from a file may have no storage
  }
}

function isDark() {
  return (document.documentElement.dataset.theme ?? (systemDark.matches ? "dark" : "light")) === "dark";
}

function showTheme() {
  switcher.setAttribute("aria-pressed", String(isDark()));
}

switcher.addEventListener("click", () => {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("intact-theme", theme);
  } catch {
    // then it is not remembered
  }
  showTheme();
});
if (remembered()) document.documentElement.dataset.theme = remembered();
systemDark.addEventListener("change", showTheme);
showTheme();

// --- tables --------------------------------------------------------------------------------

function key(row, column) {
  const cell = row.cells[column];
  return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
}

// Numbers before text; what is unknown stays last in both orders.
function compare(a, b, sign) {
  if (a === "–" || b === "–") return (a === "–") - (b === "–");
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), undefined, { numeric: true });
}

function sort(header) {
  const table = header.closest("table");
  const sign = header.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(key(a, header.cellIndex), key(b, header.cellIndex), sign));
  table.tBodies[0].append(...rows);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("th button");
  if (button) sort(button.closest("th"));
});

byId("find")?.addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const row of byId("layer-table").tBodies[0].rows) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
  }
});

function number(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
}

function percent(value) {
  if (value === null) return "–";
  if (value === 0) return "none";
  return value < 1e-4 ? "below 0.01 %" : `${number(100 * value, 3)} %`;
}

function fill(table, header, rows) {
  const cell = (name) => {
    const th = document.createElement("th");
    th.scope = "col";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    th.append(button);
    return th;
  };
  table.replaceChildren();
  table.createTHead().insertRow().append(...header.map(cell));
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const value of row) {
      const td = line.insertCell();
      if (typeof value === "number") {
        td.className = "n";
        td.dataset.v = value;
      }
      td.textContent = typeof value === "string" ? value : number(value);
    }
  }
}

// --- tensors -------------------------------------------------------------------------------

const chooser = byId("tensor");

function options() {
  for (const [kind, title] of [["weight", "Weights"], ["activation", "Activations"]]) {
    const group = document.createElement("optgroup");
    group.label = title;
    report.tensors.forEach((tensor, index) => {
      if (tensor.kind === kind) group.append(new Option(tensor.name, index));
    });
    if (group.children.length) chooser.append(group);
  }
}

function facts(tensor) {
  const grid = tensor.grid;
  const scales = grid.scales === 1 ? "one" : number(grid.scales);
  const found = [
    ["Format", tensor.format],
    ["Shape", tensor.shape],
    ["Grid", `${number(grid.low, 3)} to ${number(grid.high, 3)}`],
    [grid.scales === 1 ? "Step" : "Finest step", number(grid.step, 3)],
    ["Scales", scales],
    ["Zero point", grid.zero_point === null ? "symmetric" : number(grid.zero_point)],
    ["Float values", tensor.seen ? `${number(tensor.seen[0], 3)} to ${number(tensor.seen[1], 3)}` : "not known"],
    ["Clipped", tensor.clipped === null ? "not known" : percent(tensor.clipped)],
  ];
  if (tensor.sqnr_db !== null) found.push(["SQNR", `${number(tensor.sqnr_db, 3)} dB`]);
  byId("facts").replaceChildren(
    ...found.map(([name, value]) => {
      const pair = document.createElement("div");
      const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
      dt.textContent = name;
      dd.textContent = value;
      pair.append(dt, dd);
      return pair;
    }),
  );
}

function bins(tensor) {
  const { low, width, shares } = tensor.histogram;
  const half = tensor.grid.step / 2;
  return shares
    .map((share, i) => {
      const [from, to] = [low + i * width, low + (i + 1) * width];
      const clipped = to <= tensor.grid.low - half || from >= tensor.grid.high + half;
      return { low: from, high: to, share, place: clipped ? "clipped" : "on the grid" };
    })
    .filter((bin) => bin.share > 0);
}

function levels(grid) {
  if (grid.scales > 1 || grid.levels > 256) return [{ level: grid.low }, { level: grid.high }];
  return Array.from({ length: grid.levels }, (_, i) => ({ level: grid.low + i * grid.step }));
}

function showHistogram(tensor) {
  byId("histogram-figure").hidden = tensor.histogram === null;
  if (tensor.histogram === null) return null;
  const rows = bins(tensor);
  const place = byId("histogram");
  place.setAttribute(
    "aria-label",
    `Histogram of ${tensor.name} over a grid from ${number(tensor.grid.low, 3)} to ` +
      `${number(tensor.grid.high, 3)}; ${percent(tensor.clipped)} clipped`,
  );
  fill(byId("histogram-table"), ["from", "to", "share of values", "is"],
    rows.map((bin) => [bin.low, bin.high, bin.share, bin.place]));
  const ends = [{ end: tensor.grid.low }, { end: tensor.grid.high }];
  const datasets = { bins: rows, ends, levels: levels(tensor.grid) };
  return draw(place, { ...charts.histogram, datasets });
}

function showChannels(tensor) {
  byId("channels-figure").hidden = tensor.channels.length < 2;
  if (tensor.channels.length < 2) return null;
  const shown = tensor.channels.length;
  byId("channels-how").textContent =
    (shown < tensor.channel_count
      ? `${shown} of ${number(tensor.channel_count)} output channels, evenly from the widest to the narrowest. `
      : `All ${shown} output channels, the widest first. `) +
    "Where the weights fill little of their grid, most of its codes are wasted.";
  byId("channels").setAttribute(
    "aria-label", `Box plots of the weights of ${shown} output channels of ${tensor.name}`);
  const rows = tensor.channels.map((c) => ({
    channel: String(c.index), minimum: c.minimum, lower: c.lower_quartile, median: c.median,
    upper: c.upper_quartile, maximum: c.maximum, grid_low: c.grid_low, grid_high: c.grid_high,
  }));
  fill(byId("channels-table"),
    ["channel", "minimum", "lower quartile", "median", "upper quartile", "maximum", "grid from", "grid to"],
    tensor.channels.map((c) => Object.values(c)));
  return draw(byId("channels"), { ...charts.channels, datasets: { channels: rows } });
}

function show(index) {
  const tensor = report.tensors[index];
  facts(tensor);
  return Promise.all([showHistogram(tensor), showChannels(tensor)]);
}

function step(by) {
  const order = [...chooser.options];
  const at = order.findIndex((option) => option.selected);
  chooser.value = order[(at + by + order.length) % order.length].value;
  return show(Number(chooser.value));
}

let explored = null;
if (chooser && report.tensors.length) {
  options();
  const first = report.tensors.findIndex((tensor) => tensor.histogram !== null);
  chooser.value = String(Math.max(first, 0));
  explored = show(Number(chooser.value));
  chooser.addEventListener("change", () => show(Number(chooser.value)));
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
}

// --- the rest ------------------------------------------------------------------------------

byId("save").addEventListener("click", () => {
  const link = document.createElement("a");
  const blob = new Blob([JSON.stringify(report, null, 1)], { type: "application/json" });
  link.href = URL.createObjectURL(blob);
  link.download = `${report.name.replace(/\.\w+$/, "")}.report.json`;
  link.click();
  URL.revokeObjectURL(link.href);
});

Promise.all([...drawn, explored]).then(() => {
  document.documentElement.dataset.drawn = "true";
});
