"""What the page of the audit adds: its style, and the script that keeps the decisions."""

STYLE = """
body { max-width: 110rem; padding-bottom: 7rem; }
kbd { padding: 0 .4rem; border: 1px solid var(--line); border-radius: .25rem; background: #f4f6f8; }
.keys { line-height: 2; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr));
  gap: .9rem; margin: 0; padding: 0; list-style: none; }
.card { display: flex; flex-direction: column; gap: .25rem; padding: .5rem; border-radius: .4rem;
  border: 2px solid var(--line); font-size: .85rem; line-height: 1.35; cursor: pointer;
  scroll-margin: 1rem 0 7rem; overflow-wrap: anywhere; }
.card:focus { outline: 3px solid var(--blue); outline-offset: 1px; }
.card img { width: 100%; aspect-ratio: 1; object-fit: contain; background: #f4f6f8; }
.why, .name { color: var(--soft); font-size: .78rem; } .name { margin-bottom: auto; }
.other { color: var(--orange); } .decision { float: right; font-weight: 600; }
.card[data-decision=keep] { border-color: var(--blue); }
.card[data-decision=relabel] { border-color: var(--orange); }
.card[data-decision=drop] { border-color: var(--ink); } .card[data-decision] img { opacity: .45; }
.buttons { display: flex; gap: .3rem; } .buttons button { flex: 1;
  padding: .3rem .2rem; overflow-wrap: normal; }
button, .button { font: inherit; font-size: .85rem; padding: .35rem .8rem; cursor: pointer;
  border: 1px solid #b8c1ca; border-radius: .3rem; background: #fff; color: var(--ink); }
#download { background: var(--blue); border-color: var(--blue); color: #fff; }
button:focus-visible, .button:focus-within { outline: 3px solid var(--blue); outline-offset: 1px; }
.button input { position: absolute; opacity: 0; width: 1px; }
.bar { position: fixed; inset: auto 0 0 0; display: flex; flex-wrap: wrap; align-items: center;
  gap: .5rem .7rem; padding: .7rem 1.5rem; background: #fff; border-top: 1px solid var(--line);
  box-shadow: 0 -2px 8px #0001; }
#progress { flex: 1 1 14rem; }
dialog { border: 1px solid var(--line); border-radius: .5rem; max-width: 92vw; }
select { display: block; width: 20rem; max-width: 100%; margin-top: .5rem; font: inherit; }
@media (max-width: 40rem) {
  body { padding: 1rem .8rem 10rem; } .bar { padding: .5rem .8rem; } .keys { display: none; }
  .cards { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .5rem; }
  .buttons { flex-wrap: wrap; }
}
"""
# The history is a list of [name, decision, label]; a decision is keep, relabel, drop or earlier,
# which is a row of a relabel.csv that was loaded. A name's last entry counts.
SCRIPT = """
"use strict";
(() => {
const key = "thaw audit " + document.currentScript.dataset.key;
const find = id => document.getElementById(id);
const cards = [...document.querySelectorAll(".card")];
const classes = [...find("classes").options].map(option => option.value);
let history = [], current = cards[0];

try { history = JSON.parse(localStorage.getItem(key)) || []; } catch { /* none is remembered */ }

function remember() {
  try { localStorage.setItem(key, JSON.stringify(history)); } catch { /* this session only */ }
  show();
}

function decisions() {
  const last = new Map(), earlier = new Map();
  for (const [name, decision, label] of history) {
    if (decision === "earlier") earlier.set(name, label);
    last.set(name, [decision, label]);
  }
  return [last, earlier];
}

// Rows of relabel.csv. What is kept stays as an earlier relabel.csv has it.
function relabelled() {
  const [last, earlier] = decisions(), rows = [];
  for (const name of [...last.keys()].sort()) {
    const [decision, label] = last.get(name);
    if (decision !== "keep") rows.push([name, label]);
    else if (earlier.has(name)) rows.push([name, earlier.get(name)]);
  }
  return rows;
}

function show() {
  const [last] = decisions(), names = new Set(cards.map(card => card.dataset.name));
  for (const card of cards) {
    const [decision, label] = last.get(card.dataset.name) || [];
    const decided = decision && decision !== "earlier";
    if (decided) card.dataset.decision = decision; else delete card.dataset.decision;
    const words = {keep: "kept", relabel: "→ " + label, drop: "dropped"};
    card.querySelector(".decision").textContent = words[decision] || "";
  }
  const checked = [...names].filter(name => last.has(name) && last.get(name)[0] !== "earlier");
  const rows = relabelled(), dropped = rows.filter(row => row[1] === "").length;
  find("progress").textContent = `${checked.length} of ${names.size} images checked; ` +
    `${rows.length - dropped} relabelled, ${dropped} dropped`;
  find("undo").disabled = !history.length;
}

function focus(card) {
  if (!card) return;
  if (current) current.tabIndex = -1;
  current = card;
  card.tabIndex = 0;
  card.focus();
}

const beside = step => cards[cards.indexOf(current) + step];

function above(step) {
  const from = current.getBoundingClientRect();
  const distance = card => {
    const to = card.getBoundingClientRect(), rows = (to.top - from.top) * step;
    return rows > 1 ? rows * 1e4 + Math.abs(to.left - from.left) : Infinity;
  };
  const nearest = cards.reduce((best, card) => distance(card) < distance(best) ? card : best);
  return distance(nearest) < Infinity ? nearest : null;
}

function decide(decision, label) {
  history.push([current.dataset.name, decision, label]);
  remember();
  focus(beside(1) || current);
}

function relabel() {
  const {name, label, suggested} = current.dataset;
  const others = classes.filter(other => other !== label);
  if (others.length === 1) return decide("relabel", others[0]);
  for (const option of find("classes").options) option.disabled = option.value === label;
  find("classes").value = suggested === label ? others[0] : suggested;
  find("chosen").textContent = `New label of ${name}, now ${label}`;
  find("choose").showModal();
  find("classes").focus();
}

function choose() {
  find("choose").close();  // gives the focus back to the card
  decide("relabel", find("classes").value);
}

function undo() {
  const taken = history.pop();
  if (!taken) return;
  remember();
  if (current.dataset.name !== taken[0])
    focus(cards.find(card => card.dataset.name === taken[0]));
}

const quoted = text => /[",\\r\\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

function download() {
  const lines = [["name", "label"], ...relabelled()].map(row => row.map(quoted).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.join("\\n") + "\\n"], {type: "text/csv"}));
  link.download = "relabel.csv";
  link.click();
}

// The rows of a CSV of two columns, without its head.
function rowsOf(text) {
  const cell = /(?:"((?:[^"]|"")*)"|([^,\\r\\n]*))(,|\\r?\\n|$)/y, rows = [[]];
  while (cell.lastIndex < text.length) {
    const [, inQuotes, plain, end] = cell.exec(text);
    rows.at(-1).push(inQuotes === undefined ? plain : inQuotes.replaceAll('""', '"'));
    if (end !== ",") rows.push([]);
  }
  return rows.slice(1).filter(row => row.length === 2);
}

const keys = {
  ArrowRight: () => focus(beside(1)), ArrowLeft: () => focus(beside(-1)),
  ArrowDown: () => focus(above(1)), ArrowUp: () => focus(above(-1)),
  k: () => decide("keep", ""), r: relabel, d: () => decide("drop", ""), u: undo,
};

document.addEventListener("keydown", event => {
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey || find("choose").open) return;
  if (!current && event.key !== "u") return;
  event.preventDefault();
  act();
});
document.addEventListener("click", event => {
  const card = event.target.closest(".card");
  if (!card) return;
  focus(card);
  const word = event.target.dataset.do;
  if (word) keys[word[0]]();
});
find("relabel").addEventListener("click", choose);
find("classes").addEventListener("keydown", event => {
  if (event.key === "Enter") { event.preventDefault(); choose(); }
});
find("undo").addEventListener("click", undo);
find("download").addEventListener("click", download);
find("earlier").addEventListener("change", async event => {
  for (const file of event.target.files)
    for (const [name, label] of rowsOf(await file.text())) history.push([name, "earlier", label]);
  event.target.value = "";
  remember();
});
if (current) { current.tabIndex = 0; current.focus({preventScroll: true}); }
show();
})();
"""
