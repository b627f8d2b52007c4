// Pointer, wheel, keys, search.
const search = document.getElementById("search"), matches = document.getElementById("matches");

function hit(x, y, reach) {
  const lane = lanes.find((each) => y >= each.y && y < each.y + each.height - 2);
  if (lane === undefined) return null;
  const { marks, spans } = lane, k = view.width / (view.to - view.from);
  const place = view.from + (x - view.left) / k, below = lane.y + lane.head + lane.rows * ROW;
  if (y >= below || lane.rows === 0) {
    let best = null, distance = reach / k;
    for (let i = from(marks.place, place - distance); i < marks.count && marks.place[i] <= place + reach / k; i++) {
      const away = Math.abs(marks.place[i] - place);
      if (!marks.hidden[i] && (best === null || away < distance)) { best = i; distance = away; }
    }
    return best === null ? null : [lane.index, best, "mark"];
  }
  const row = Math.floor((y - lane.y - lane.head) / ROW);
  let best = null;
  for (let i = Math.max(0, from(spans.from, place - lane.widest - 3 / k) - 1); i < spans.count; i++) {
    if (spans.from[i] > place + 3 / k) break;
    if (spans.row[i] === row && spans.to[i] >= place - 3 / k) best = i;
  }
  return best === null ? null : [lane.index, best, "span"];
}

const fingers = new Map();
let pressed = null;
function at(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  const [x, y] = at(event);
  fingers.set(event.pointerId, [x, y]);
  pressed = { x, y, moved: fingers.size > 1 };
});
canvas.addEventListener("pointermove", (event) => {
  const [x, y] = at(event), before = fingers.get(event.pointerId);
  if (before === undefined) return point(hit(x, y, 8), x, y);
  if (fingers.size === 2) {
    const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
    const wide = Math.abs(before[0] - other[0]), now = Math.abs(x - other[0]);
    if (wide > 10 && now > 10) zoom(wide / now, (x + other[0]) / 2);
  } else if (pressed !== null && (pressed.moved || Math.hypot(x - pressed.x, y - pressed.y) > 4)) {
    pressed.moved = true;
    tip.hidden = true;
    canvas.style.cursor = "grabbing";
    pan(before[0] - x);
  }
  fingers.set(event.pointerId, [x, y]);
});
function lift(event) {
  const [x, y] = at(event);
  if (event.type === "pointerup" && pressed !== null && !pressed.moved)
    choose(hit(x, y, event.pointerType === "touch" ? 16 : 8), false);
  fingers.delete(event.pointerId);
  if (fingers.size === 0) pressed = null;
}
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);
canvas.addEventListener("pointerleave", () => point(null));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const size = event.deltaMode === 1 ? 30 : 1;
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan((event.deltaX || event.deltaY) * size);
  else zoom(Math.exp(Math.max(-240, Math.min(240, event.deltaY * size)) * 0.002), at(event)[0]);
}, { passive: false });
canvas.addEventListener("dblclick", (event) => zoom(0.4, at(event)[0]));

// The next or the previous moment that is not filtered out; without one chosen, the first or last in view.
function step(by, around = false) {
  let n;
  if (chosen === null || chosen[2] !== "mark") n = by > 0 ? from(orderT, timeOf(view.from)) : from(orderT, timeOf(view.to)) - 1;
  else n = order.findIndex(([lane, i]) => lane === chosen[0] && i === chosen[1]) + by;
  const passed = () => n >= 0 && n < order.length && lanes[order[n][0]].marks.hidden[order[n][1]];
  while (passed()) n += by;
  if (around && (n < 0 || n >= order.length)) {
    n = by > 0 ? 0 : order.length - 1;
    while (passed()) n += by;
  }
  if (n >= 0 && n < order.length) choose([...order[n], "mark"], true);
}
// The nearest moment of the lane above or below.
function change(by) {
  const t = chosen === null ? timeOf((view.from + view.to) / 2)
    : chosen[2] === "mark" ? lanes[chosen[0]].marks.t[chosen[1]] : lanes[chosen[0]].spans.begin[chosen[1]];
  let index = chosen === null ? (by > 0 ? 0 : lanes.length - 1) : chosen[0] + by;
  while (index >= 0 && index < lanes.length && lanes[index].marks.count === 0) index += by;
  if (index < 0 || index >= lanes.length) return;
  const { t: times } = lanes[index].marks, right = Math.min(from(times, t), times.length - 1), left = Math.max(0, right - 1);
  choose([index, t - times[left] < times[right] - t ? left : right, "mark"], true);
}
const KEYS = {
  ArrowRight: (shift) => (shift ? pan(view.width / 8) : step(1)),
  ArrowLeft: (shift) => (shift ? pan(-view.width / 8) : step(-1)),
  ArrowDown: () => change(1),
  ArrowUp: () => change(-1),
  "+": () => zoom(0.6, anchor()),
  "=": () => zoom(0.6, anchor()),
  "-": () => zoom(1 / 0.6, anchor()),
  0: all,
  Home: () => see(-0.02, -0.02 + view.to - view.from),
  End: () => see(1.02 - (view.to - view.from), 1.02),
  Escape: () => choose(null),
};
function anchor() {
  if (chosen === null || chosen[2] !== "mark") return undefined;
  const x = toX(lanes[chosen[0]].marks.t[chosen[1]]);
  return x >= view.left && x <= view.left + view.width ? x : undefined;
}
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key](event.shiftKey);
});
for (const [id, act] of [["in", () => zoom(0.5, anchor())], ["out", () => zoom(2, anchor())], ["all", all],
  ["next", () => step(1)], ["previous", () => step(-1)]]) document.getElementById(id).addEventListener("click", act);

// Words that all have to stand in a mark's label, lane or facts.
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = words.map((word) => texts.map((text) => text.toLowerCase().includes(word)));
  let number = 0;
  for (const lane of lanes) {
    const { marks } = lane;
    for (let i = 0; i < marks.count; i++) {
      marks.hidden[i] = has.every((found, n) => found[marks.label[i]] || lane.title.includes(words[n]) ||
        TONES[marks.tone[i]] === words[n] || given.facts[marks.facts[i]].some((text) => found[text])) ? 0 : 1;
      number += 1 - marks.hidden[i];
    }
  }
  matches.textContent = words.length ? `${number} of ${order.length} match` : "";
  dirty();
}
search.addEventListener("input", filter);
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") { event.preventDefault(); step(event.shiftKey ? -1 : 1, true); }
});

const shorten = document.getElementById("shorten");
shorten.parentElement.hidden = given.corners.length <= 2;
function corners() {
  const begin = timeOf(view.from), end = timeOf(view.to), whole = view.to - view.from >= 1;
  view.corners = shorten.checked ? given.corners : [given.corners[0], given.corners.at(-1)];
  settle();
  if (whole) all(); else see(placeOf(begin), placeOf(end));
}
shorten.addEventListener("change", corners);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { colours(); dirty(); });
new ResizeObserver(layOut).observe(canvas.parentElement);
colours();
settle();
const telling = order.find(([lane, i]) => ["verdict", "failed"].includes(TONES[lanes[lane].marks.tone[i]]));
choose(telling === undefined ? null : [...telling, "mark"], false);
layOut();
all();
