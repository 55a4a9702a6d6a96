// Shared by all figures: their look, and panels side by side with the same axes.

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';
// Only these buttons: Plotly also offers one that sends a figure to a server.
const BUTTONS = { displaylogo: false, responsive: false, modeBarButtons: [["toImage"], ["zoom2d", "pan2d", "resetScale2d"]] };

// Plotly reads texts as a kind of HTML; the text of a run is escaped.
function plain(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

function widthOf(id) {
  return printing ? PRINT_WIDTH : Math.max(300, byId(id).parentElement.clientWidth);
}

function draw(id, traces, layout, label) {
  const target = byId(id);
  target.setAttribute("role", "img");
  target.setAttribute("aria-label", label);
  const margin = { l: 64, r: 16, t: 34, b: 54, ...layout.margin };
  Plotly.react(
    target,
    traces,
    {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: FONT, size: 13, color: colour("ink") },
      hoverlabel: { font: { family: FONT, size: 12 }, align: "left", namelength: -1 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("line"), activecolor: colour("accent") },
      width: widthOf(id),
      ...layout,
      margin,
    },
    BUTTONS,
  );
}

function clear(id) {
  Plotly.purge(byId(id));
  byId(id).replaceChildren();
  byId(id).removeAttribute("role");
  byId(id).removeAttribute("aria-label");
}

function axis(title, more = {}) {
  return {
    title: { text: title, standoff: 8 },
    gridcolor: colour("rule"),
    linecolor: colour("line"),
    zerolinecolor: colour("rule"),
    ticks: "outside",
    tickcolor: colour("line"),
    ticklen: 4,
    showline: true,
    automargin: true,
    ...more,
    ...(more.type === "log" ? { exponentformat: "power", dtick: undefined, nticks: 8 } : {}),
  };
}

// A text for Plotly in lines of so many characters: broken between words, and a longer word anywhere.
function wrapped(name, room) {
  const lines = [""];
  for (const word of String(name).split(" ").flatMap((word) => word.match(new RegExp(`.{1,${room}}`, "gu")) ?? [])) {
    const longer = `${lines[lines.length - 1]} ${word}`.trim();
    if (longer.length <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.filter(Boolean).map(plain).join("<br>");
}

// The places of panels, [row, column] of each, at most `fitting` side by side. With two values a panel, the first one
// has rows of its own, and the second one a column, if no more columns are needed for that.
function placesOf(panels, fitting) {
  if ((panels[0]?.values?.length ?? 0) !== 2) {
    const across = Math.ceil(panels.length / Math.ceil(panels.length / fitting));
    return panels.map((_, k) => [Math.floor(k / across), k % across]);
  }
  const [names, columns] = [0, 1].map((part) => [...new Set(panels.map(({ values }) => values[part]).sort(compared).map(textOf))]);
  const rows = names.map((name) => panels.filter(({ values }) => textOf(values[0]) === name));
  const longest = Math.max(...rows.map((row) => row.length));
  const aligned = longest === columns.length && longest <= fitting;
  const tall = Math.ceil(longest / fitting);
  const across = Math.ceil(longest / tall);
  let start = 0;
  const places = new Map();
  for (const row of rows) {
    row.forEach((panel, k) => places.set(panel, aligned ? [start, columns.indexOf(textOf(panel.values[1]))] : [start + Math.floor(k / across), k % across]));
    start += Math.ceil(row.length / across);
  }
  return panels.map((panel) => places.get(panel));
}

const TITLE_LINE = 17;

// Panels, each { label, values }, in rows, with the same axes: { layout, at(k) -> the axes of panel k, room: what their
// titles need above the first row }. The title of x stands below all panels.
function panelled(id, panels, x, y, { height = 300, widest = 4, narrowest = 250, beside = 80 } = {}) {
  const width = widthOf(id);
  const places = placesOf(panels, Math.max(1, Math.min(panels.length, widest, Math.floor(width / narrowest))));
  const [down, across] = [0, 1].map((part) => 1 + Math.max(...places.map((place) => place[part])));
  const gapX = across > 1 ? 34 / width : 0;
  const wide = (1 - gapX * (across - 1)) / across;
  const titles = panels.map(({ label }) => wrapped(label, Math.max(8, Math.floor(((width - beside) * wide) / 8))));
  const lines = Math.max(1, ...titles.map((title) => title.split("<br>").length));
  const gapY = 41 + TITLE_LINE * lines;
  const tall = down * height + (down - 1) * gapY;
  const below = { text: x.title.text, showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0, yshift: -28, yanchor: "top", font: { size: 14, color: colour("ink") } };
  const room = TITLE_LINE * (lines - 1);
  const layout = { height: tall + 90 + room, annotations: [below] };
  panels.forEach((_, k) => {
    const [row, column] = places[k];
    const end = k === 0 ? "" : String(k + 1);
    const left = column * (wide + gapX);
    const top = 1 - (row * (height + gapY)) / tall;
    const first = column === Math.min(...places.filter((place) => place[0] === row).map((place) => place[1]));
    layout[`xaxis${end}`] = {
      ...x, title: { text: "" }, domain: [left, Math.min(1, left + wide)], anchor: `y${end}`, ...(k ? { matches: "x" } : {}),
    };
    layout[`yaxis${end}`] = {
      ...y, domain: [Math.max(0, top - height / tall), top], anchor: `x${end}`,
      title: { text: first ? y.title.text : "", standoff: 8 }, showticklabels: first, ...(k ? { matches: "y" } : {}),
    };
    if (titles[k]) {
      layout.annotations.push({
        text: `<b>${titles[k].replaceAll("<br>", "</b><br><b>")}</b>`, showarrow: false, xref: "paper", yref: "paper", x: left, y: top,
        xanchor: "left", yanchor: "bottom", align: "left", font: { size: 13, color: colour("ink") },
      });
    }
  });
  return { layout, room, at: (k) => (k === 0 ? { xaxis: "x", yaxis: "y" } : { xaxis: `x${k + 1}`, yaxis: `y${k + 1}` }) };
}

// The legend goes above a figure, so that it takes no width, and below the buttons: { legend, top }, top being its room.
function legendAbove(id, names, height) {
  const longest = names.reduce((most, name) => Math.max(most, name.length), 0);
  const across = Math.max(1, Math.floor((widthOf(id) - 90) / (60 + 7.2 * longest)));
  const top = 34 + 21 * Math.ceil(names.length / across) + 32;
  const place = { orientation: "h", x: 0, xanchor: "left", y: 1 - 26 / (height + top), yref: "container", yanchor: "top", font: { size: 12.5 } };
  return { legend: place, top: names.length ? top : 44 };
}

// Round places between two numbers, about five of them.
function roundTicks(low, high) {
  const rough = (high - low) / 5;
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * ten).find((k) => k >= rough * 0.999);
  const count = Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1;
  return Array.from({ length: count }, (_, k) => (Math.ceil(low / step - 1e-9) + k) * step);
}
