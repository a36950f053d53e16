// The page: puts paper, panel, history and service together.
//
// While the pen moves, the newest state is sent as soon as the former answer is there. When everything has settled for a
// moment, the live region says what was recognised, and Grad-CAM is asked for where it is wanted. Where the pen is lifted
// and it may be several digits, the service is asked to read them; while it is several, it is asked nothing else.
import { Service, Latest } from "./service.js";
import { Paper, bodyOf, isBlank, readPhoto } from "./paper.js";
import { Panel, paintHeat } from "./panel.js";
import { History, keyOf } from "./history.js";
import { showBoxes, strokesIn, verdictOf } from "./number.js";

const QUIET = 700;     // milliseconds without news after which something is settled
const TIP = 2600;      // and after which a word in passing goes
const MEASURED = 200;  // answers of which the median is told
const PEN_STEP = 1.2;

const $ = (id) => document.getElementById(id);
// data-seen: the label of all that is drawn, "" when it is no digit; not there until it is known.
const root = document.documentElement;
const verdicts = new WeakMap(); // of drawings, by keyOf
let models = [], model = null, why = false, looked = null;
let several = false; // was it several digits, when it was read last?

// ---- words

let tipTimer = 0;

function tip(text) {
  $("tip").textContent = text;
  $("tip").hidden = false;
  clearTimeout(tipTimer);
  tipTimer = setTimeout(() => { $("tip").hidden = true; }, TIP);
  announce(text);
}

function announce(text) {
  $("live").textContent = text;
}

let settleTimer = 0, unsaid = "";

function settle() {
  clearTimeout(settleTimer);
  settleTimer = setTimeout(() => {
    if (paper.drawing) return settle();
    if (unsaid) announce(unsaid);
    unsaid = "";
    tellSpeed();
  }, QUIET);
}

// kind: what the notice is about, so that only this takes it away
function notice(kind, text, action) {
  const box = $("notice");
  box.dataset.kind = kind;
  $("retry").hidden = !action;
  $("retry").textContent = action || "";
  $("dismiss").hidden = kind !== "trouble";
  if (box.hidden || $("notice-text").textContent !== text) {
    box.hidden = false;
    $("notice-text").textContent = text;
  }
}

function unnotice(...kinds) {
  if (kinds.includes($("notice").dataset.kind)) $("notice").hidden = true;
}

// ---- the service

const LINK = { starting: "connecting", ready: "ready", busy: "busy", locked: "locked", gone: "gone" };
let was = "starting";

function onState(state, detail) {
  $("link").dataset.state = state;
  $("link-text").textContent = LINK[state];
  if (state === "gone") {
    if (!isBlank(paper.sheet) && root.dataset.seen === undefined) panel.wipe("waiting for the service", "empty");
    const trouble = detail ? `The service has trouble: ${detail.replace(/\.$/, "")}.` : "The service is gone.";
    notice("gone", `${trouble} What you draw stays here and is recognised when it is back.`, "Try now");
  } else if (state === "busy") {
    notice("busy", `The service is busy; it is asked again in ${detail} s.`);
  } else if (state === "ready") {
    unnotice("gone", "busy", "locked");
    if (was === "gone") {
      announce("The service is back.");
      loadModels();
    }
  }
  if (state !== "busy") was = state;
}

// The token that a person types; asked for again when the former was refused.
function askToken(refused) {
  return new Promise((done) => {
    const dialog = $("ask-token"), field = $("token");
    $("token-why").textContent = refused ? "The service refused this one. Whoever started it knows the right one."
      : "Whoever started it knows it. It is kept until this tab is closed.";
    field.value = "";
    dialog.onclose = () => {
      if (field.value) done(field.value);
      else notice("locked", "The service wants a token before it says anything.", "Give the token");
    };
    dialog.showModal();
  });
}

const service = new Service({ state: onState, token: askToken });

const query = (values) => new URLSearchParams({ ...values, ...(model ? { model: model.name } : {}) }).toString();

async function loadModels() {
  const answer = await service.insist(() => ({ path: "v1/models", vital: true }));
  if (!answer.ok) return notice("trouble", `The service does not tell its models: ${answer.reason}`);
  models = answer.data.models;
  const kept = model && models.find((one) => one.name === model.name);
  $("choose").hidden = models.length < 2;
  $("model").replaceChildren(...models.map((one) => new Option(one.name)));
  setModel(kept || models.find((one) => one.default) || models[0]);
}

function setModel(one) {
  const same = JSON.stringify(one) === JSON.stringify(model);
  model = one;
  $("model").value = one.name;
  if (!same) panel.setModel(one);
  predicting.ask();
}

// ---- predictions

let newest = null; // the time of what changed last, if it was the pen
const measured = [];

function makePrediction() {
  const { sheet, version } = paper;
  if (!model || isBlank(sheet)) return null;
  const time = newest;
  newest = null;
  const path = `v1/${several ? "read" : "predict"}?${query({ input: 1 })}`;
  return { path, method: "POST", vital: true, ...bodyOf(sheet), key: keyOf(sheet), version, time };
}

function takePrediction(answer, request, more) {
  const here = request.key === keyOf(paper.sheet), last = request.version === paper.version;
  if (!answer.ok) {
    if (here) panel.wipe(`Not recognised: ${answer.reason}`);
    return;
  }
  const { predictions, parts } = answer.data;
  if (here && parts && parts.length < 2) { // it is one again
    several = false;
    return predicting.ask();
  }
  const verdict = parts ? verdictOf(answer.data) : panel.verdictOf(predictions[0]);
  if (here) {
    if (parts) showNumber(verdict);
    else panel.show(predictions[0]);
    take(request.key, verdict, last);
    measure(request.time, answer.data.milliseconds);
    if (last) reading.ask();
    if (!more) explaining.ask();
  } else if (!verdicts.has(request.key)) {
    verdicts.set(request.key, verdict);
  }
  history.refresh(request.key);
}

function take(key, verdict, last) {
  const { kept } = verdicts.get(key) || {};
  verdicts.set(key, { ...verdict, kept: last ? kept : undefined });
  if (last) root.dataset.seen = verdict.certain ? verdict.label : "";
  if (!verdict.number) showBoxes($("boxes"), []);
  unsaid = verdict.text;
  settle();
}

// ---- several digits

function showNumber(verdict) {
  panel.showNumber(verdict);
  showBoxes($("boxes"), verdict.number);
}

// What is known of all that is drawn, when it may be several digits: only then are they read.
function makeReading() {
  const { sheet, version } = paper, verdict = verdicts.get(keyOf(sheet));
  if (!verdict || verdict.number || root.dataset.seen === undefined || paper.drawing || sheet.photo || !panel.digits) return null;
  if (verdict.certain && sheet.strokes.length < 2) return null;
  return { path: `v1/read?${query({ input: 1 })}`, method: "POST", ...bodyOf(sheet), key: keyOf(sheet), version };
}

function takeReading(answer, request) {
  if (!answer.ok || request.version !== paper.version || answer.data.parts.length < 2) return;
  if (answer.data.certain) {
    const verdict = verdictOf(answer.data);
    several = true;
    showNumber(verdict);
    take(request.key, verdict, true);
    explaining.ask();
    history.refresh(request.key);
  } else if (!verdicts.get(request.key).certain) {
    panel.hint(`perhaps ${answer.data.text}: write several digits apart`);
  }
}

let inNet = 0;

function measure(time, milliseconds) {
  inNet = milliseconds;
  if (time === null) return;
  measured.push(performance.now() - time);
  if (measured.length > MEASURED) measured.shift();
}

function tellSpeed() {
  if (measured.length === 0) return;
  const median = [...measured].sort((a, b) => a - b)[measured.length >> 1];
  $("speed").textContent = `from pen to bars ${median.toFixed(1)} ms, in the service ${inNet.toFixed(1)} ms`;
  $("speed").dataset.median = median.toFixed(2);
}

const predicting = new Latest(service, makePrediction, takePrediction);

const reading = new Latest(service, makeReading, takeReading);

// ---- why

// Of several digits the newest is explained, and kept: as a sheet of its own.
function sheetOf(verdict) {
  return verdict && verdict.number ? { ...paper.sheet, strokes: strokesIn(paper.sheet.strokes, verdict.newest.box) } : paper.sheet;
}

function makeExplanation() {
  const { sheet } = paper, verdict = verdicts.get(keyOf(sheet));
  if (!why || !model || isBlank(sheet) || !verdict) return null;
  const label = looked || (verdict.number ? String(verdict.newest.label) : verdict.label);
  return { path: `v1/explain?${query({ class: label })}`, method: "POST", ...bodyOf(sheetOf(verdict)), key: keyOf(sheet), label };
}

function takeExplanation(answer, request) {
  if (!why || request.key !== keyOf(paper.sheet)) return;
  if (!answer.ok) return tip(`No explanation: ${answer.reason}`);
  const { heat, coordinates } = answer.data;
  $("heat").dataset.on = String(coordinates === "canvas");
  $("heat").dataset.label = request.label;
  if (coordinates === "canvas") {
    paintHeat($("heat"), heat);
    panel.heatSeen(null);
  } else {
    panel.heatSeen(heat);
  }
}

const explaining = new Latest(service, makeExplanation, takeExplanation);

function dropHeat() {
  $("heat").dataset.on = "false";
  panel.heatSeen(null);
}

function setWhy(on) {
  why = on;
  $("why").setAttribute("aria-pressed", String(on));
  if (on) {
    tip(isBlank(paper.sheet) ? "what speaks for the class: draw something" : "what speaks for the class");
    explaining.ask();
  } else {
    dropHeat();
  }
}

// ---- correction

async function correct(label) {
  const { sheet } = paper, key = keyOf(sheet), verdict = verdicts.get(key);
  if (isBlank(sheet)) return tip("Nothing is drawn that could be kept.");
  if (!model || !model.corrections) return tip("Corrections are off.");
  if (verdict && verdict.kept === label) return tip(`It is kept as ${label} already.`);
  const { version } = paper;
  const answer = await service.once(`v1/correct?${query({ label })}`, { method: "POST", ...bodyOf(sheetOf(verdict)) });
  if (!answer.ok) {
    if (answer.trouble === "locked") await service.unlock();
    if (answer.trouble === "gone") service.recovery(answer.reason).then(() => predicting.ask());
    return notice("trouble", `The drawing was not kept as ${label}: ${answer.reason || "the service is gone"}.`);
  }
  verdicts.set(key, { ...(verdicts.get(key) || { label, certain: true, text: label }), kept: label });
  if (key === keyOf(paper.sheet) && version === paper.version) panel.mark(label);
  history.refresh(key);
  tip(verdict && verdict.number ? `The newest digit is kept as ${label}.` : `Kept as ${label}.`);
}

// ---- the drawing

function onChanged(time) {
  const { sheet } = paper, key = keyOf(sheet), blank = isBlank(sheet);
  if (time !== null) {
    delete root.dataset.seen;
    newest = paper.drawing ? time : null;
    if (sheet.strokes.length === 0) {
      several = false;
      showBoxes($("boxes"), []);
    }
    if (blank) {
      panel.wipe();
      announce("The canvas is empty.");
      unsaid = "";
    } else {
      panel.mark(null);
    }
    if (blank || !verdicts.has(key)) dropHeat();
    $("tip").hidden = true;
    predicting.ask();
  } else {
    reading.ask(); // the pen was lifted
  }
  $("hint").hidden = !blank;
  $("clear").disabled = blank;
  $("erase").disabled = sheet.strokes.length === 0;
  $("undo").disabled = paper.done.length === 0;
  $("redo").disabled = paper.undone.length === 0;
  $("pen").value = String(Math.round(sheet.pen));
  $("pen").setAttribute("aria-valuetext", `${Math.round(sheet.pen)} of 280`);
  history.show(key);
}

const paper = new Paper({ ink: $("ink"), mark: $("mark") }, {
  changed: onChanged,
  leaving: (sheet) => history.keep(sheet),
  said: announce,
  tool(eraser) { $("erase").setAttribute("aria-pressed", String(eraser)); },
});

const panel = new Panel({
  verdict: $("verdict"), label: $("label"), sure: $("sure"), seen: $("seen"), bars: $("bars"), note: $("note"),
}, {
  correct,
  look(label) {
    if (looked === label) return;
    looked = label;
    explaining.ask();
  },
});

const history = new History({ list: $("past"), none: $("past-none") }, {
  verdict: (key) => verdicts.get(key),
  bring(sheet) {
    if (keyOf(sheet) !== keyOf(paper.sheet)) paper.replace(sheet);
    $("ink").focus({ preventScroll: true });
  },
});

async function openPhoto(file) {
  try {
    paper.replace({ strokes: [], pen: paper.sheet.pen, photo: await readPhoto(file) });
    $("ink").focus({ preventScroll: true });
  } catch (_) {
    tip("This is no picture that the browser can read.");
  }
}

const pictureOf = (list) => [...(list || [])].find((file) => file.type.startsWith("image/"));

// ---- buttons, keys, dropping and pasting

const setPen = (width) => paper.setPen(Math.min(Number($("pen").max), Math.max(Number($("pen").min), width)));

function takeEraser() {
  paper.setEraser(!paper.eraser);
  if (paper.eraser) announce("Eraser");
  else announce(paper.sheet.strokes.length ? "Pen" : "Nothing is drawn that could be erased.");
}

const commands = {
  c: () => paper.clear(),
  Delete: () => paper.clear(),
  u: () => paper.undo(),
  r: () => paper.redo(),
  x: takeEraser,
  e: () => setWhy(!why),
  "+": () => setPen(paper.sheet.pen * PEN_STEP),
  "=": () => setPen(paper.sheet.pen * PEN_STEP),
  "-": () => setPen(paper.sheet.pen / PEN_STEP),
};

// With Ctrl or Command.
const chords = { z: commands.u, Z: commands.r, y: commands.r };

function onKey(event) {
  if (event.altKey) return;
  const label = model && panel.labels.includes(event.key) ? event.key : null;
  const chord = event.ctrlKey || event.metaKey;
  const command = chord ? chords[event.key] : commands[event.key] || commands[event.key.toLowerCase()];
  if (command) command();
  else if (chord) return;
  else if (label) correct(label);
  else if (!paper.key(event)) return;
  event.preventDefault();
}

$("ink").addEventListener("keydown", onKey);
for (const [id, name] of [["clear", "c"], ["undo", "u"], ["redo", "r"], ["erase", "x"], ["why", "e"]]) {
  $(id).addEventListener("click", (event) => {
    commands[name]();
    // a button that was disabled under the focus would lose it
    if (event.detail > 0 || $(id).disabled) $("ink").focus({ preventScroll: true });
  });
}
$("pen").addEventListener("input", () => setPen(Number($("pen").value)));
$("model").addEventListener("change", () => setModel(models.find((one) => one.name === $("model").value)));
$("photo").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  if ($("file").files[0]) openPhoto($("file").files[0]);
  $("file").value = "";
});
$("retry").addEventListener("click", () => {
  if ($("notice").dataset.kind === "locked") $("ask-token").showModal();
  else service.hurry();
});
$("dismiss").addEventListener("click", () => unnotice("trouble"));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("paper").dataset.drop = "true";
});
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("paper").dataset.drop = "false"; });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("paper").dataset.drop = "false";
  const file = pictureOf(event.dataTransfer.files);
  if (file) openPhoto(file);
  else tip("Only pictures can be dropped here.");
});
document.addEventListener("paste", (event) => {
  const file = pictureOf(event.clipboardData.files);
  if (file) openPhoto(file);
});

onChanged(null);
loadModels();
