// Runs an SCXML document in SCION under a clock that is set by hand: the same orders and answers as qt.cpp.
"use strict";
const fs = require("fs");
const readline = require("readline");
const scxml = require("@scion-scxml/scxml");

let now = 0, numbered = 0;
const timers = new Map();
global.setTimeout = (call, delay, ...rest) => {
  timers.set(++numbered, { due: now + (Number(delay) || 0), call: () => call(...rest) });
  return numbered;
};
global.clearTimeout = (number) => { timers.delete(number); };

function advance(milliseconds) {
  const until = now + milliseconds;
  for (;;) {
    let first = null;
    for (const [number, timer] of timers)
      if (timer.due <= until && (first === null || timer.due < timers.get(first).due)) first = number;
    if (first === null) break;
    const timer = timers.get(first);
    timers.delete(first);
    now = timer.due;
    timer.call();
  }
  now = until;
}

const text = fs.readFileSync(process.argv[2], "utf8");
const prepared = () => new Promise((resolve, reject) => {
  scxml.documentStringToModel(process.argv[2], text, (error, model) => {
    if (error) reject(error);
    else model.prepare((failed, made) => (failed ? reject(failed) : resolve(made)));
  }, {});
});

function begun(model) {
  timers.clear();
  const chart = new scxml.core.Statechart(model, { console: { log() {}, warn() {}, error: console.error } });
  chart.start();
  advance(0);
  return chart;
}

async function main() {
  let chart = begun(await prepared());
  const print = () => process.stdout.write(JSON.stringify(chart.getConfiguration()) + "\n");
  print();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    if ("restart" in order) chart = begun(await prepared());
    else if ("advance" in order) advance(order.advance);
    else chart.gen({ name: order.event, data: order.data });
    advance(0);
    print();
  }
}

main().catch((error) => { console.error(error); process.exitCode = 1; });
