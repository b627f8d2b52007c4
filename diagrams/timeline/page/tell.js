// What is said of a mark or a span: beside the pointer, in the panel, in the list. Only ever as text.
const tip = document.getElementById("tip"), panel = document.getElementById("panel");
const rows = document.getElementById("rows"), counted = document.getElementById("counted");
const LISTED = 120;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}
const seconds = (t) => `${t.toFixed(6)} s`;

function told(what) {
  const lane = lanes[what[0]], i = what[1], list = what[2] === "mark" ? lane.marks : lane.spans;
  const when = what[2] === "mark" ? seconds(list.t[i])
    : `${seconds(list.begin[i])} to ${seconds(list.end[i])}, ${spoken(list.end[i] - list.begin[i])}` +
      (list.flags[i] & 1 ? ", and no end on the tape" : "");
  const tape = given.tapes.length > 1 ? ` of ${given.tapes[lane.tape].name}` : "";
  const facts = [["time", when], ["lane", `${lane.title}: ${lane.doc}`], ["tape", `line ${list.line[i]}${tape}`], ...factsOf(list.facts[i])];
  if (what[2] === "mark") facts.splice(1, 0, ["meaning", given.meanings[list.tone[i]]]);
  return { title: texts[list.label[i]], facts };
}

function describe(box, what, most) {
  const { title, facts } = told(what);
  const shown = element("dl");
  for (const [key, value] of facts.slice(0, most)) {
    shown.append(element("dt", key), element("dd", most < 99 && value.length > 160 ? `${value.slice(0, 160)}…` : value));
  }
  box.replaceChildren(element("h2", title.slice(0, 2000)), shown);
}

function point(what, x, y) {
  hovered = what;
  canvas.style.cursor = what ? "pointer" : "grab";
  tip.hidden = what === null;
  if (what !== null) {
    describe(tip, what, 9);
    const box = canvas.parentElement.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 14, box.width - tip.offsetWidth - 4))}px`;
    const below = y + 18;
    const fits = box.top + below + tip.offsetHeight < window.innerHeight || y < tip.offsetHeight;
    tip.style.top = `${fits ? below : y - tip.offsetHeight - 10}px`;
  }
  dirty();
}

function choose(what, bring) {
  chosen = what;
  tip.hidden = true;
  if (what === null) {
    panel.replaceChildren(element("p", "Nothing is chosen. Hover, click or tap a mark, or use ← and →."));
  } else {
    describe(panel, what, 999);
    if (bring) show(what);
  }
  dirty();
}

// Have what is chosen in view, where it is not.
function show([laneIndex, i, kind]) {
  const lane = lanes[laneIndex];
  const place = kind === "mark" ? lane.marks.place[i] : lane.spans.from[i];
  const width = view.to - view.from, margin = width * 0.05;
  if (place < view.from + margin || place > view.to - margin) see(place - width / 2, place + width / 2);
}

let listing = 0;
function listLater() {
  clearTimeout(listing);
  listing = setTimeout(list, 120);
}
function list() {
  const begin = timeOf(view.from), end = timeOf(view.to), found = [];
  let number = 0;
  for (let n = from(orderT, begin); n < order.length && orderT[n] <= end; n++) {
    const [lane, i] = order[n];
    if (lanes[lane].marks.hidden[i]) continue;
    number++;
    if (found.length < LISTED) found.push(order[n]);
  }
  rows.replaceChildren(...found.map(([lane, i]) => {
    const { marks, title } = lanes[lane], row = element("tr"), button = element("button", marks.t[i].toFixed(6));
    const tone = TONES[marks.tone[i]];
    button.type = "button";
    button.addEventListener("click", () => choose([lane, i, "mark"], true));
    const cell = element("td");
    cell.append(button);
    const more = texts[marks.cause[i]];
    row.append(cell, element("td", title), element("td", texts[marks.label[i]].slice(0, 200), tone),
      element("td", more.slice(0, 200)));
    if (is(chosen, lane, i, "mark")) row.className = "chosen";
    return row;
  }));
  const limit = number > found.length ? `, the first ${found.length} are listed` : "";
  counted.textContent = `${number} of ${order.length} moments in view${limit}`;
}
