// What the page was given, as arrays that are quick to walk: times, labels, lines, tones and facts of each lane.
const given = JSON.parse(document.getElementById("tape").textContent);
const texts = given.texts;
const TONES = given.tones;
const SEVERITY = [0, 1, 2, 4, 5, 3]; // in the order of TONES: which one a cluster shows

function unpacked(lane, index) {
  const [begins, ends, labels, lines, flags, facts] = lane.spans;
  const spans = { begin: Float64Array.from(begins), end: Float64Array.from(ends), label: labels, line: lines,
    flags, facts, count: begins.length, row: new Uint8Array(begins.length) };
  const [times, names, where, tones, more, causes] = lane.marks;
  const marks = { t: Float64Array.from(times), label: names, line: where, tone: tones, facts: more,
    cause: causes,
    count: times.length, hidden: new Uint8Array(times.length) };
  // Spans that overlap get rows of their own, the first that is free.
  const free = [];
  for (let i = 0; i < spans.count; i++) {
    let row = free.findIndex((end) => end <= spans.begin[i]);
    if (row < 0) row = free.length < 5 ? free.length : 4;
    free[row] = spans.end[i];
    spans.row[i] = row;
  }
  return { index, title: lane.title, doc: lane.doc, tape: lane.tape, spans, marks, rows: free.length };
}
const lanes = given.lanes.map(unpacked);

// Every mark of every lane in one order of time, for lists and for the keys.
const order = [];
for (const lane of lanes) for (let i = 0; i < lane.marks.count; i++) order.push([lane.index, i]);
order.sort((a, b) => lanes[a[0]].marks.t[a[1]] - lanes[b[0]].marks.t[b[1]] ||
  lanes[a[0]].marks.line[a[1]] - lanes[b[0]].marks.line[b[1]]);
const orderT = Float64Array.from(order, ([lane, i]) => lanes[lane].marks.t[i]);

// The first index whose value is not below `t`.
function from(array, t) {
  let low = 0, high = array.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (array[middle] < t) low = middle + 1; else high = middle;
  }
  return low;
}

function factsOf(index) {
  const found = [], packed = given.facts[index];
  for (let i = 0; i < packed.length; i += 2) found.push([texts[packed[i]], texts[packed[i + 1]]]);
  return found;
}
