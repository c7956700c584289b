// Starts, shows and cancels a training job by the API. The token stays in this page's memory.
"use strict";

const PAUSE = 2000; // milliseconds between two looks at a job
const element = (id) => document.getElementById(id);
const RUNNING = ["queued", "running"];
let job = null;

async function call(method, path, body) {
  const headers = { Authorization: `Bearer ${element("token").value}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const content = await response.json();
  if (!response.ok) throw new Error(content.error.message);
  return content;
}

// A line `key=value`; a value is JSON, or else text.
function readParams() {
  const lines = element("params").value.split("\n").filter((line) => line.trim());
  return Object.fromEntries(
    lines.map((line) => {
      const [key, ...rest] = line.split("=");
      const text = rest.join("=").trim();
      try {
        return [key.trim(), JSON.parse(text)];
      } catch {
        return [key.trim(), text];
      }
    }),
  );
}

function show(state) {
  const runs = RUNNING.includes(state.state);
  element("job").hidden = false;
  element("state").textContent = state.stage && runs ? `${state.state}: ${state.stage}` : state.state;
  element("progress").hidden = !state.stages;
  if (state.stages) element("progress").value = runs ? state.stages_done / state.stages : 1;
  const accuracy = state.metrics ? `Test accuracy ${state.metrics.accuracy.toFixed(4)}. ` : "";
  const gate = state.publication ? state.publication.reason : "";
  element("said").textContent = accuracy + (state.error || gate);
  element("log").textContent = (state.log || []).join("\n");
  element("cancel").disabled = !runs;
  return runs;
}

function fail(error) {
  element("job").hidden = false;
  element("state").textContent = "Not done";
  element("said").textContent = error.message;
}

async function follow() {
  try {
    while (show(await call("GET", `/jobs/${job}`))) await new Promise((done) => setTimeout(done, PAUSE));
  } catch (error) {
    fail(error);
  }
}

element("training").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    job = (await call("POST", "/train", { params: readParams() })).id;
  } catch (error) {
    return fail(error);
  }
  follow();
});
element("cancel").addEventListener("click", () => call("DELETE", `/jobs/${job}`).then(show, fail));
