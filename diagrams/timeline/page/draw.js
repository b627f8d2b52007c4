// The picture: one pass over what is in view, at most a few marks for each pixel.
const canvas = document.getElementById("chart");
const pen = canvas.getContext("2d");
const AXIS = 26, ROW = 19, MARKS = 20, GAP = 7;
const ink = {};
let narrow = false, waiting = false;
let chosen = null, hovered = null; // [lane, index, "mark" | "span"]

function colours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["page", "ink", "quiet", "rule", "band", "span", "pale", "edge", "moved", "due", "verdict", "failed",
    "dropped", "plain", "hit"]) ink[name] = style.getPropertyValue(`--${name}`).trim();
}

function layOut() {
  const width = canvas.parentElement.clientWidth;
  narrow = width < 640;
  view.left = narrow ? 8 : 104;
  view.width = Math.max(50, width - view.left - 10);
  let y = AXIS;
  for (const lane of lanes) {
    if (given.tapes.length > 1 && (lane.index === 0 || lanes[lane.index - 1].tape !== lane.tape)) y += 20;
    lane.y = y;
    lane.head = narrow ? 14 : 0;
    lane.height = lane.head + lane.rows * ROW + (lane.marks.count ? MARKS : 0) + GAP;
    y += lane.height;
  }
  const ratio = window.devicePixelRatio || 1;
  canvas.style.height = `${y + 4}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round((y + 4) * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  dirty();
}

function dirty() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
    listLater();
  });
}

const SANS = "system-ui, sans-serif";
function cut(text, width) {
  if (width < 12) return "";
  if (pen.measureText(text.slice(0, 400)).width <= width) return text;
  let low = 0, high = Math.min(text.length, 400);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pen.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle; else high = middle - 1;
  }
  return low > 1 ? `${text.slice(0, low)}…` : "";
}

function draw() {
  const right = view.left + view.width, bottom = canvas.height / (window.devicePixelRatio || 1);
  pen.fillStyle = ink.page;
  pen.fillRect(0, 0, right + 20, bottom);
  pen.textBaseline = "middle";
  pen.save();
  pen.beginPath();
  pen.rect(view.left - 6, 0, view.width + 16, bottom);
  pen.clip();
  drawAxis(bottom);
  for (const lane of lanes) drawSpans(lane);
  for (const lane of lanes) drawMarks(lane);
  pen.restore();
  drawTitles(right);
}

function drawAxis(bottom) {
  pen.font = `11px ${SANS}`;
  for (let i = 2; i < view.corners.length; i += 2) {
    const x0 = toX(view.corners[i - 1][0]), x1 = toX(view.corners[i][0]);
    if (x1 < view.left - 6 || x0 > view.left + view.width + 6) continue;
    pen.fillStyle = ink.band;
    pen.fillRect(x0, 0, x1 - x0, bottom);
    pen.fillStyle = ink.quiet;
    pen.textAlign = "center";
    const begin = Math.max(x0, view.left), end = Math.min(x1, view.left + view.width);
    const long = spoken(view.corners[i][0] - view.corners[i - 1][0]);
    const words = [`⋯ ${long} ⋯`, long].find((each) => pen.measureText(each).width <= end - begin + 4);
    if (words) pen.fillText(words, (begin + end) / 2, 11);
  }
  pen.fillStyle = ink.quiet;
  pen.strokeStyle = ink.rule;
  pen.textAlign = "left";
  pen.beginPath();
  let last = -99;
  for (const [x, text] of ticks()) {
    if (x < view.left - 1) continue;
    pen.moveTo(Math.round(x) + 0.5, 4);
    pen.lineTo(Math.round(x) + 0.5, bottom);
    if (x < last || inPause(x + 4, x + 34)) continue;
    pen.fillText(text, x + 4, 11);
    last = x + pen.measureText(text).width + 10;
  }
  pen.stroke();
}
function inPause(x0, x1) {
  for (let i = 2; i < view.corners.length; i += 2)
    if (toX(view.corners[i - 1][0]) < x1 && toX(view.corners[i][0]) > x0) return true;
  return false;
}

function drawTitles(right) {
  for (const lane of lanes) {
    pen.fillStyle = ink.rule;
    pen.fillRect(narrow ? 0 : 8, lane.y + lane.height - 3, right, 1);
    pen.fillStyle = ink.quiet;
    pen.textAlign = "left";
    pen.font = `${narrow ? 600 : 500} ${narrow ? 11 : 13}px ${SANS}`;
    if (narrow) pen.fillText(lane.title, 8, lane.y + 6);
    else pen.fillText(cut(lane.title, view.left - 22), 10, lane.y + (lane.rows ? ROW : MARKS) / 2);
    if (given.tapes.length > 1 && (lane.index === 0 || lanes[lane.index - 1].tape !== lane.tape)) {
      pen.font = `600 13px ${SANS}`;
      pen.fillStyle = ink.ink;
      pen.fillText(cut(given.tapes[lane.tape].name, right - 20), 10, lane.y - 10);
    }
  }
}

function drawSpans(lane) {
  const { spans } = lane, k = view.width / (view.to - view.from);
  let i = Math.max(0, from(spans.from, view.from - lane.widest) - 1);
  const last = new Float64Array(8).fill(-1e9);
  pen.font = `12px ${SANS}`;
  pen.textAlign = "left";
  for (; i < spans.count && spans.from[i] <= view.to + 0.01 * (view.to - view.from); i++) {
    let x0 = view.left + (spans.from[i] - view.from) * k, x1 = view.left + (spans.to[i] - view.from) * k;
    if (x1 < view.left - 6) continue;
    const row = spans.row[i], thin = x1 - x0 < 2;
    if (thin && x1 < last[row] + 1) continue; // within the pixel that is drawn already
    last[row] = Math.max(x1, x0 + 1);
    const y = lane.y + lane.head + row * ROW, quiet = spans.flags[i] & 2;
    x0 = Math.max(x0, view.left - 12);
    x1 = Math.min(Math.max(x1, x0 + 1), view.left + view.width + 14);
    pen.fillStyle = quiet ? ink.pale : ink.span;
    pen.fillRect(x0, y, x1 - x0, ROW - 3);
    if (x1 - x0 > 3) {
      pen.strokeStyle = ink.edge;
      pen.setLineDash(spans.flags[i] & 1 ? [3, 3] : []);
      pen.strokeRect(x0 + 0.5, y + 0.5, x1 - x0 - 1, ROW - 4);
      pen.setLineDash([]);
    }
    const begin = Math.max(x0, view.left);
    pen.fillStyle = quiet ? ink.quiet : ink.ink;
    const text = cut(texts[spans.label[i]], x1 - begin - 9);
    if (text) pen.fillText(text, begin + 5, y + (ROW - 3) / 2 + 0.5);
    if (is(chosen, lane.index, i, "span") || is(hovered, lane.index, i, "span")) ring(x0 - 1, y - 1, x1 - x0 + 2, ROW - 1);
  }
}
const is = (what, lane, i, kind) => what !== null && what[0] === lane && what[1] === i && what[2] === kind;
function ring(x, y, width, height) {
  pen.strokeStyle = ink.hit;
  pen.lineWidth = 2;
  pen.strokeRect(x, y, width, height);
  pen.lineWidth = 1;
}

function drawMarks(lane) {
  const { marks } = lane, k = view.width / (view.to - view.from);
  const edge = 14 / k, y = lane.y + lane.head + lane.rows * ROW + MARKS / 2 - 1;
  pen.font = `12px ${SANS}`;
  pen.textAlign = "left";
  let i = from(marks.place, view.from - edge);
  while (i < marks.count && marks.place[i] <= view.to + edge) {
    const x = view.left + (marks.place[i] - view.from) * k;
    // What comes within a few pixels is one cluster, which shows the gravest of them.
    let next = i, best = -1, shown = 0;
    const until = marks.place[i] + 5 / k;
    for (; next < marks.count && (next === i || marks.place[next] < until); next++) {
      if (marks.hidden[next]) continue;
      shown++;
      if (best < 0 || SEVERITY[marks.tone[next]] > SEVERITY[marks.tone[best]]) best = next;
    }
    if (best < 0) {
      pen.globalAlpha = 0.18;
      shape(TONES[marks.tone[i]], x, y, 1);
      pen.globalAlpha = 1;
    } else {
      shape(TONES[marks.tone[best]], x, y, shown);
      const room = (next < marks.count ? (marks.place[next] - view.from) * k + view.left : view.left + view.width) - x - 22;
      const words = shown > 1 ? (room > 160 ? `${shown}: ${texts[marks.label[best]]}` : `${shown}`) : texts[marks.label[best]];
      const text = room > 26 || shown > 1 ? cut(words, room) : "";
      pen.fillStyle = ink.ink;
      if (text) pen.fillText(text, x + 9, y + 0.5);
    }
    for (const what of [chosen, hovered])
      if (what !== null && what[2] === "mark" && what[0] === lane.index && what[1] >= i && what[1] < next)
        ring(x - 7, y - 8, 14, 16);
    i = next;
  }
}

// One shape for each tone, so that none needs its colour; taller for a cluster.
function shape(tone, x, y, count) {
  const tall = count > 1 ? Math.min(8, 4 + Math.log2(count)) : 4;
  pen.fillStyle = pen.strokeStyle = ink[tone];
  pen.lineWidth = 1.5;
  pen.beginPath();
  if (tone === "failed") {
    pen.lineWidth = 2.5;
    pen.moveTo(x - 4, y - tall); pen.lineTo(x + 4, y + tall); pen.moveTo(x + 4, y - tall); pen.lineTo(x - 4, y + tall);
    pen.stroke();
  } else if (tone === "verdict") {
    pen.moveTo(x, y - tall - 2); pen.lineTo(x + 5, y); pen.lineTo(x, y + tall + 2); pen.lineTo(x - 5, y); pen.closePath();
    pen.fill();
  } else if (tone === "due") {
    pen.moveTo(x - 5, y - tall); pen.lineTo(x + 5, y - tall); pen.lineTo(x, y + tall); pen.closePath();
    pen.fill();
  } else if (tone === "dropped") {
    pen.rect(x - 3, y - tall + 1, 6, 2 * tall - 2);
    pen.stroke();
  } else {
    pen.ellipse(x, y, 3.5, tall - 0.5, 0, 0, 7);
    if (tone === "moved") pen.fill(); else { pen.fillStyle = ink.page; pen.fill(); pen.stroke(); }
  }
  pen.lineWidth = 1;
}
