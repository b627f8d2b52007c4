// Time to place and back. With pauses shortened an axis has corners; `view` is what is seen of it, in places.
const view = { from: 0, to: 1, corners: given.corners, width: 1, left: 0 };
const NARROWEST = 1e-10;

function placeOf(t) {
  const corners = view.corners;
  let i = 1;
  while (i < corners.length - 1 && corners[i][0] < t) i++;
  const [t0, x0] = corners[i - 1], [t1, x1] = corners[i];
  return t1 > t0 ? x0 + (x1 - x0) * (t - t0) / (t1 - t0) : x0;
}
function timeOf(place) {
  const corners = view.corners;
  let i = 1;
  while (i < corners.length - 1 && corners[i][1] < place) i++;
  const [t0, x0] = corners[i - 1], [t1, x1] = corners[i];
  return x1 > x0 ? t0 + (t1 - t0) * (place - x0) / (x1 - x0) : t0;
}
const toX = (t) => view.left + (placeOf(t) - view.from) / (view.to - view.from) * view.width;
const toT = (x) => timeOf(view.from + (x - view.left) / view.width * (view.to - view.from));

// The places of all marks and spans change only with the corners.
function settle() {
  for (const lane of lanes) {
    lane.marks.place = Float64Array.from(lane.marks.t, placeOf);
    lane.spans.from = Float64Array.from(lane.spans.begin, placeOf);
    lane.spans.to = Float64Array.from(lane.spans.end, placeOf);
    lane.widest = 0; // a search for spans at a place starts so far before it
    for (let i = 0; i < lane.spans.count; i++) lane.widest = Math.max(lane.widest, lane.spans.to[i] - lane.spans.from[i]);
  }
}

function see(from, to) {
  const width = Math.min(1.08, Math.max(NARROWEST, to - from));
  const middle = (from + to) / 2;
  let begin = middle - width / 2;
  begin = Math.min(1.04 - width, Math.max(-0.04, begin));
  view.from = begin;
  view.to = begin + width;
  dirty();
}
function zoom(factor, x = view.left + view.width / 2) {
  const at = view.from + (x - view.left) / view.width * (view.to - view.from);
  const width = Math.min(1.08, Math.max(NARROWEST, (view.to - view.from) * factor));
  const share = (x - view.left) / view.width;
  see(at - width * share, at + width * (1 - share));
}
function pan(pixels) {
  const by = pixels / view.width * (view.to - view.from);
  see(view.from + by, view.to + by);
}
const all = () => see(-0.02, 1.02);

function digits(step) {
  return Math.max(0, Math.min(9, Math.ceil(-Math.log10(step) - 1e-9)));
}
function spoken(seconds) {
  if (seconds >= 120) return `${(seconds / 60).toFixed(1)} min`;
  if (seconds >= 1) return `${seconds.toFixed(2)} s`;
  if (seconds >= 1e-3) return `${(seconds * 1e3).toPrecision(3)} ms`;
  return `${(seconds * 1e6).toPrecision(3)} µs`;
}
// Ticks on the stretches that are in proportion: [x, text].
function ticks() {
  const found = [], corners = view.corners;
  for (let i = 1; i < corners.length; i++) {
    if (i % 2 === 0) continue; // a pause
    const begin = Math.max(corners[i - 1][0], toT(view.left)), end = Math.min(corners[i][0], toT(view.left + view.width));
    if (end <= begin) continue;
    const pixels = (toX(end) - toX(begin)) / (end - begin);
    const least = 84 / pixels, power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= least);
    for (let n = Math.ceil(begin / step - 1e-9); n * step <= end + step * 1e-9 && found.length < 60; n++)
      found.push([toX(n * step), (n * step).toFixed(digits(step))]);
  }
  return found;
}
