// The live page: asks the host once a second what the run has come to. Everything from the run is set as text, never as markup.
"use strict";

const ASK_MS = 1000;
const LOST_ASK_MS = 3000;
const PATIENCE_MS = 8000;
const SAY_EVERY_MS = 15000; // a screen reader is told of mere progress at most so often
const TITLES = { photographs: "Photographs", screen: "The screen", model: "The model", "on devices": "Predictions on the devices", predictions: "Predictions on the host" };
const WHAT = { rejected: "refused" };
const byId = (id) => document.getElementById(id);
const page = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");

let heard = null; // when the host last answered
let over = false;
let lastSaid = { words: "", urgent: "", at: 0 };

const visible = () => document.visibilityState === "visible";
const percent = (share) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`);
const interval = (one) => (one.low === null || one.low === undefined ? "" : `[${(100 * one.low).toFixed(1)}, ${(100 * one.high).toFixed(1)}]`);
const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

function span(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}
const left = (seconds) => (seconds === null ? "" : `about ${span(seconds)} left`);
const joined = (...parts) => parts.filter(Boolean).join(", ");

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text; // else a selection and the reader's place would be lost
}

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

// Keep one child for each key, in this order; children are made once and then only filled.
function keep(parent, values, key, make, fill) {
  const there = new Map(Array.from(parent.children, (child) => [child.dataset.key, child]));
  values.forEach((value, place) => {
    const name = key(value);
    let child = there.get(name);
    if (!child) {
      child = make(value);
      child.dataset.key = name;
    }
    there.delete(name);
    fill(child, value);
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
  there.forEach((child) => child.remove());
}

function headline(state) {
  const { done, total, left_s } = state.photographs;
  if (state.ended) return state.ended;
  if (state.stage === "photographs") return joined(`Photographing: ${done} of ${total}`, left(left_s));
  if (state.stage === "screen") return "Waiting for the screen and the devices.";
  const stage = state.stages.find((one) => one.name === state.stage);
  if (stage && stage.total) return joined(`${TITLES[stage.name] ?? stage.name}: ${stage.done} of ${stage.total}`, left(stage.left_s));
  return "The session is starting.";
}

function fillStage(item, stage) {
  const [line, bar, note] = item.children;
  setText(line.children[0], TITLES[stage.name] ?? stage.name);
  setText(line.children[1], stage.total ? joined(`${stage.done} of ${stage.total}`, left(stage.left_s)) : "");
  bar.hidden = !stage.total;
  bar.max = stage.total || 1;
  bar.value = stage.done;
  bar.setAttribute("aria-label", TITLES[stage.name] ?? stage.name);
  setText(note, stage.note ?? "");
}

function makeStage() {
  const item = element("li");
  const line = element("div", "line");
  line.append(element("span"), element("span", "numbers"));
  item.append(line, element("progress"), element("div", "note"));
  return item;
}

function makeDevice() {
  const item = element("li");
  item.append(element("h3"), element("p", "state"), element("progress"), element("p", "numbers"), element("p", "numbers"));
  return item;
}

function fillDevice(item, device) {
  const [name, state, bar, numbers, vitals] = item.children;
  const trouble = device.why.length > 0;
  item.dataset.trouble = trouble ? "yes" : "no";
  setText(name, device.name);
  setText(state, `${joined(device.state, device.kind)}${trouble ? "; in trouble, see above" : ""}`);
  bar.max = device.planned || 1;
  bar.value = device.done;
  bar.setAttribute("aria-label", `Photographs of ${device.name}`);
  setText(numbers, joined(`${device.done} of ${device.planned}`, left(device.left_s)));
  const bad = [device.rejected && `${device.rejected} refused`, device.failed && `${device.failed} failed`, device.given_up && `${device.given_up} given up`];
  const battery = device.battery_percent !== null && `battery ${device.battery_percent} %`;
  const warmth = device.temperature_c !== null && `${device.temperature_c.toFixed(1)} °C`;
  setText(vitals, joined(...bad, battery, warmth));
}

const step = (one) => joined(one.scene, one.angle ? `${one.angle}°` : "", one.repeat ? `repeat ${one.repeat}` : "");

function makePhotograph(one) {
  const item = element("li");
  const image = element("img");
  image.src = `/live/thumbnail/${encodeURIComponent(one.thumbnail)}.jpg`;
  image.alt = `${one.scene} as ${one.device} saw it`;
  item.append(image, element("span", "", one.device), element("span", "soft", step(one)));
  return item;
}

function makeRow(cells) {
  const row = element("tr");
  row.append(...cells.map(() => element("td")));
  return row;
}

function fillRow(row, cells) {
  cells.forEach((text, place) => setText(row.children[place], text));
}

function showAnswer(state) {
  const found = state.answer;
  const rate = found?.headline ? found.instability : null;
  const known = rate && rate.rate !== null;
  setText(byId("answer-title"), state.ended ? "Result" : "Result so far");
  setText(byId("answer"), found?.headline ?? whyNoAnswer(state));
  byId("scale").hidden = !known;
  if (known) {
    // Style properties are set by script, since the page's policy allows no style in the markup.
    const [range, point] = byId("scale").children;
    range.style.left = `${100 * rate.low}%`;
    range.style.width = `${100 * (rate.high - rate.low)}%`;
    point.style.left = `${100 * rate.rate}%`;
  }
  byId("caution").hidden = !rate || Boolean(state.ended);
  if (rate) setText(byId("caution"), `From ${counted(found.predictions, "prediction")} and ${counted(rate.items, "photograph")} that at least two devices answered; it still moves. The interval (95 %) is that of a finished run: do not stop because of it.`);
  const rows = found?.headline ? Object.entries(found.accuracy) : [];
  byId("accuracy-scroll").hidden = rows.length === 0;
  const cells = ([name, one]) => [name, percent(one.accuracy), interval(one)];
  keep(byId("accuracy"), rows, ([name]) => name, (one) => {
    const row = makeRow(cells(one));
    row.children[1].className = row.children[2].className = "n";
    return row;
  }, (row, one) => fillRow(row, cells(one)));
}

function whyNoAnswer(state) {
  if (!state.model) return "No accuracy and no instability: this session only takes photographs, nothing is predicted.";
  if (state.answer?.problem && state.answer.predictions) return `It cannot be worked out yet: ${state.answer.problem}`;
  if (state.ended) return "Nothing was predicted.";
  return `Not yet: the photographs are predicted (with ${state.model}) after the last one is taken. Until then there is no accuracy and no instability.`;
}

function troubles(state) {
  return state.devices.flatMap((device) => device.why.map((why) => ({ device: device.name, why })));
}

function show(state) {
  const words = headline(state);
  const { done, total } = state.photographs;
  document.title = `${total ? Math.floor((100 * done) / total) : 0} % · ${state.name}`;
  setText(byId("name"), state.name);
  setText(byId("about"), joined(state.lab !== state.name ? state.lab : "", state.model ? `model ${state.model}` : "photographs only", `${state.ended ? "ran" : "running"} for ${span(state.elapsed_s)}`));
  setText(byId("headline"), words);
  byId("virtual").hidden = !state.virtual;
  const photographs = { name: "photographs", ...state.photographs, note: "" };
  keep(byId("stages"), [photographs, ...state.stages.filter((one) => one.total || (one.note && one.name === state.stage))], (one) => one.name, makeStage, fillStage);
  const wrong = troubles(state);
  byId("trouble").hidden = wrong.length === 0;
  keep(byId("troubles"), wrong, (one) => `${one.device} ${one.why}`, () => element("li"), (item, one) => setText(item, `${one.device}: ${one.why}`));
  showAnswer(state);
  keep(byId("devices"), state.devices, (one) => one.name, makeDevice, fillDevice);
  byId("recent-none").hidden = state.recent.length > 0;
  keep(byId("recent"), state.recent, (one) => `${one.device}|${step(one)}|${one.thumbnail}`, makePhotograph, () => {});
  byId("retakes-none").hidden = state.retakes.length > 0;
  byId("retakes-scroll").hidden = state.retakes.length === 0;
  const cells = (one) => [`${span(one.ago_s)} ago`, one.device, step(one), String(one.attempt), WHAT[one.status] ?? one.status, one.reason];
  keep(byId("retakes"), state.retakes, (one) => `${one.device}|${step(one)}|${one.attempt}`, (one) => makeRow(cells(one)), (row, one) => fillRow(row, cells(one)));
  say(words, [state.ended, ...wrong.map((one) => `${one.device}: ${one.why}`)].filter(Boolean).join(". "), state.stage);
}

// Polite: a new trouble, another stage or the end at once, progress now and then.
function say(words, trouble, stage) {
  const urgent = `${stage} ${trouble}`;
  const now = performance.now();
  if (urgent === lastSaid.urgent && (words === lastSaid.words || now - lastSaid.at < SAY_EVERY_MS)) return;
  setText(byId("said"), urgent === lastSaid.urgent || words === trouble ? words : joined(words, trouble));
  lastSaid = { words, urgent, at: now };
}

function tell(state, words) {
  byId("link").dataset.state = state;
  setText(byId("link"), words);
}

async function ask() {
  try {
    const answer = await fetch(`/live/state?page=${page}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.status === 401) return tell("lost", "This address is no longer valid: a new session has a new one."), LOST_ASK_MS;
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const state = await answer.json();
    heard = new Date();
    over = Boolean(state.ended);
    show(state);
    tell(over ? "over" : "good", over ? `Ended at ${heard.toLocaleTimeString()}; this page no longer changes.` : "Live");
    return over ? 0 : ASK_MS;
  } catch (problem) {
    if (!(problem instanceof TypeError || problem instanceof DOMException)) console.warn(problem);
    tell("lost", heard ? `The host does not answer; what stands here is of ${heard.toLocaleTimeString()}. Either the session has ended or the connection is lost.` : "The host does not answer.");
    return LOST_ASK_MS;
  }
}

let timer = 0;
let asking = false;
async function follow() {
  clearTimeout(timer);
  if (asking || over || !visible()) return; // a hidden page costs the session nothing
  asking = true;
  const pause = await ask();
  asking = false;
  if (pause) timer = setTimeout(follow, pause);
}

document.addEventListener("visibilitychange", follow);
follow();
