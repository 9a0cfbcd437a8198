"use strict";
// One question at a time; a verdict is sent as it is given, and the page goes on when the host has kept it.

const at = (id) => document.getElementById(id);
let questions = [];
let here = 0;

async function ask(path, values) {
  const options = values === undefined ? {} : { method: "POST", body: JSON.stringify(values) };
  const answer = await fetch(`/judge/${path}`, options);
  if (!answer.ok) throw new Error((await answer.json()).error);
  return answer.json();
}

function show() {
  const judged = questions.filter((one) => one.verdict).length;
  at("count").textContent = `${judged} of ${questions.length} judged`;
  at("bar").max = Math.max(1, questions.length);
  at("bar").value = judged;
  const over = here >= questions.length;
  at("asking").hidden = over;
  at("done").hidden = !over;
  if (over) return showEnd(questions.length - judged);
  const one = questions[here];
  at("label").textContent = one.label;
  at("weight").textContent = one.answers === 1 ? "One answer depends on it." : `${one.answers} answers depend on it.`;
  at("accepted").textContent = one.accepted.join(", ");
  if (at("picture").dataset.number !== String(here)) {
    document.querySelector("details").open = false;
    at("picture").dataset.number = String(here);
    at("picture").src = `/judge/picture/${here}.jpg`;
    if (here + 1 < questions.length) new Image().src = `/judge/picture/${here + 1}.jpg`;
  }
  at("back").disabled = here === 0;
  for (const button of document.querySelectorAll("[data-verdict]")) {
    button.setAttribute("aria-pressed", String(button.dataset.verdict === one.verdict));
  }
}

function showEnd(left) {
  at("last-word").textContent = questions.length ? (left ? `${left} left without a verdict.` : "All are judged.") : "Nothing to judge.";
  at("what-now").textContent = questions.length ? "Every verdict is kept in the run." : "Every first answer is an accepted label.";
  at("again").hidden = !questions.length;
}

function go(number) {
  here = Math.min(Math.max(number, 0), questions.length);
  show();
}

async function judge(verdict) {
  const number = here;
  const one = questions[number];
  if (!one) return;
  const given = one.verdict === verdict ? null : verdict; // the same once more takes it back
  try {
    await ask("verdict", { question: number, verdict: given });
    at("problem").hidden = true;
    one.verdict = given;
    if (number === here) go(given ? number + 1 : number);
  } catch (problem) {
    complain(problem);
  }
}

async function finish() {
  try {
    await ask("end", {});
    document.querySelector("main").innerHTML = "<h1>Finished.</h1><p>You may close this page.</p>";
  } catch (problem) {
    complain(problem);
  }
}

function complain(problem) {
  at("problem").hidden = false;
  at("problem").textContent = `Not kept: ${problem.message}. Is the command still running?`;
}

for (const button of document.querySelectorAll("[data-verdict]")) {
  button.addEventListener("click", () => judge(button.dataset.verdict));
}
at("back").addEventListener("click", () => go(here - 1));
at("next").addEventListener("click", () => go(here + 1));
at("again").addEventListener("click", () => go(Math.max(0, questions.findIndex((one) => !one.verdict))));
at("finish").addEventListener("click", finish);
at("end").addEventListener("click", finish);
const KEYS = { r: "right", a: "ambiguous", w: "wrong" };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (KEYS[event.key.toLowerCase()]) judge(KEYS[event.key.toLowerCase()]);
  else if (event.key === "ArrowLeft") go(here - 1);
  else if (event.key === "ArrowRight") go(here + 1);
});

ask("questions").then((found) => {
  questions = found.questions;
  at("run").textContent = found.run;
  at("who").textContent = `judged by ${found.judge}`;
  const first = questions.findIndex((one) => !one.verdict);
  go(first < 0 ? questions.length : first);
}, complain);
