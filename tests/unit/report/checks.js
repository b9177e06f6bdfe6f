// What tests ask of the page; each function's result is empty or a plain value.

function luminance([r, g, b]) {
  const linear = (c) => (c <= 0.04045 * 255 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
}

const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

function rgba(colour) {
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = colour;
  pixel.fillRect(0, 0, 1, 1);
  return [...pixel.getImageData(0, 0, 1, 1).data];
}

function behind(node) {
  for (; node; node = node.parentElement) {
    const colour = rgba(getComputedStyle(node).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255, 255];
}

const visible = (selector) =>
  [...document.querySelectorAll(selector)].filter((node) => node.checkVisibility());

// Texts whose luminance is too near to that of what is behind them (WCAG 2.2, 1.4.3, level AA).
function poorContrast() {
  const poor = [];
  for (const node of visible("body *:not(script, style, option, optgroup)")) {
    if (![...node.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
    const style = getComputedStyle(node);
    const front = luminance(rgba(node instanceof SVGElement ? style.fill : style.color));
    const back = luminance(behind(node));
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    const least = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
    if (ratio < least) poor.push(`${node.tagName} "${node.textContent.slice(0, 30)}": ${ratio}`);
  }
  return poor;
}

function unnamed() {
  const named = (node) =>
    node.ariaLabel ||
    node.textContent.trim() ||
    node.labels?.length ||
    document.getElementById(node.getAttribute("aria-labelledby"));
  const wanted = "button, select, input, a[href], [role=img], [role=region], section";
  return visible(wanted).filter((node) => !named(node)).map((node) => node.outerHTML);
}

function withoutTable() {
  return visible("figure").filter((f) => !f.querySelector("tbody tr")).map((f) => f.id);
}

// Name of each chart: its width, height and number of marks.
function drawn() {
  const marks = "path, rect, line, text".split(", ").map((tag) => `g.role-mark ${tag}`).join();
  return Object.fromEntries(
    visible(".plot").map((plot) => {
      const svg = plot.querySelector("svg");
      const box = svg?.getBoundingClientRect();
      const count = svg?.querySelectorAll(marks).length ?? 0;
      return [plot.dataset.chart ?? plot.id, [box?.width ?? 0, box?.height ?? 0, count]];
    }),
  );
}

// What sticks out of the window; tables scroll in their own frames.
function tooWide() {
  return visible("main *")
    .filter((node) => !node.closest(".scroll, svg") && node.getBoundingClientRect().right > innerWidth + 1)
    .map((node) => node.outerHTML);
}
