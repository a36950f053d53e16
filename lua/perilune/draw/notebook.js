// The drawing canvas of a notebook cell: what is drawn lives here as strokes, the kernel mirrors them, recognises, and
// answers with the probabilities and the picture that the net sees.
//
// Few questions are in flight at a time, and what is drawn meanwhile goes with the next: the kernel is asked as often as
// it can answer and no more. They are two because of TCP: the server's answer waits (Nagle) until its news that the
// kernel is busy has been acknowledged, which takes 40 ms (delayed ACK), unless a next question carries the news. A question carries the points that the kernel does not have yet, or all of them with a new
// epoch (after undo, clear, or when an answer was lost):
//   { ask, epoch, strokes: [{ at, from, width, erase, points: [x, y, ...] }] }   places from 1, coordinates 0 to 1
//   { ask, probabilities, best, picture, uncertain, number, digits } or { ask, empty } or { ask, lost } or { ask, error }
// uncertain: this is taken for no digit; number, digits: several stand side by side, the rest is about the one written last.
// A stroke may be a picture that the canvas came with: { picture: its number, png, mask: its ink as a canvas, no points }.

const SIDE = 280;
const SEEN = 28;
const SPACING = 12;    // milliseconds between questions at the least
const FLIGHT = 2;
const SLOW = 400;      // after which an answer is missed
const TRIES = 3;       // questions without an answer, one after the other, before we say so

const WORDS = {
  waiting: "Waiting for the kernel …",
  busy: "The kernel is busy; what you draw is recognised as soon as it is idle.",
  restarted: "The kernel was restarted: run this cell again to go on.",
  unknown: "The kernel does not know this canvas (any more): run this cell again to go on.",
  dead: "The kernel is gone: start it, and run this cell again.",
  disconnected: "The connection to the kernel is gone; drawing tries to get it back.",
  silent: "The kernel does not answer: run this cell again.",
};
const FINAL = new Set(["restarted", "unknown", "dead", "silent"]);

function make(parent, name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.appendChild(element);
  return element;
}

class Widget {
  constructor(root) {
    this.root = root;
    this.cell = root.closest(".jp-Cell, .cell");
    this.canvas = Number(root.dataset.canvas);
    this.strokes = []; // { width, erase, points }, or pictures
    this.done = [];    // what undo takes back, the newest last: lists of strokes as they were before
    this.undone = [];  // what redo brings back
    this.open = null;  // the stroke that is being drawn
    this.pen = 0.085;
    this.eraser = 0.16;
    this.ask = this.answers = this.silence = this.epoch = 0;
    this.reset();
  }

  // ---- what is seen

  build() {
    const fallback = this.root.querySelector(".perilune-draw-text");
    if (fallback) fallback.remove();
    make(this.root, "style", null, CSS);
    const row = make(this.root, "div", "pd-row");
    const left = make(row, "div"), right = make(row, "div", "pd-side");
    this.paper = make(left, "canvas", "pd-paper");
    this.paper.setAttribute("aria-label", "Canvas: draw a digit here with mouse, pen or finger");
    const sharp = Math.max(1, window.devicePixelRatio || 1);
    this.paper.width = this.paper.height = Math.round(SIDE * sharp);
    this.buttons = make(left, "div", "pd-buttons");
    this.clearButton = this.button("Clear", () => this.clear());
    this.undoButton = this.button("Undo", () => this.undo());
    this.redoButton = this.button("Redo", () => this.redo());
    this.eraserButton = this.button("Eraser", () => this.toggleEraser());
    this.eraserButton.setAttribute("aria-pressed", "false");
    const verdict = make(right, "div", "pd-verdict");
    this.seen = make(verdict, "canvas", "pd-seen");
    this.seen.width = this.seen.height = SEEN;
    this.seen.title = "The 28 × 28 pixels that the net sees";
    this.label = make(verdict, "div", "pd-label");
    this.sure = make(verdict, "div", "pd-sure pd-hint");
    this.bars = make(right, "div", "pd-bars");
    this.state = make(right, "div", "pd-state");
    this.state.setAttribute("role", "status");
    this.rows = [];
    this.wipe();
    this.paint();
  }

  button(text, action) {
    const button = make(this.buttons, "button", null, text);
    button.type = "button";
    button.addEventListener("click", () => { action(); button.blur(); });
    return button;
  }

  // A row for each class, when the kernel has told their names.
  showLabels(labels) {
    if (this.rows.length === labels.length) return;
    this.bars.textContent = "";
    this.rows = labels.map((label) => {
      const name = make(this.bars, "div", "pd-name", label);
      name.title = label;
      const fill = make(make(this.bars, "div", "pd-trough"), "div", "pd-fill");
      return { label, name, fill, value: make(this.bars, "div", "pd-value", "") };
    });
  }

  // No ink, no verdict.
  wipe() {
    const context = this.seen.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, SEEN, SEEN);
    this.label.textContent = "";
    this.sure.textContent = "Draw a digit on the left.";
    this.root.removeAttribute("data-best");
    this.root.removeAttribute("data-seen");
    for (const row of this.rows) {
      row.fill.style.transform = "scaleX(0)";
      row.value.textContent = "";
      for (const part of [row.name, row.fill, row.value]) part.classList.remove("pd-best");
    }
  }

  show(answer) {
    const winner = this.rows[answer.best - 1];
    answer.probabilities.forEach((value, i) => {
      const row = this.rows[i];
      row.fill.style.transform = `scaleX(${value})`;
      row.value.textContent = `${(value * 100).toFixed(1)} %`;
      for (const part of [row.name, row.fill, row.value]) part.classList.toggle("pd-best", row === winner && !answer.uncertain);
    });
    const share = `${(answer.probabilities[answer.best - 1] * 100).toFixed(1)} %`, text = answer.number || winner.label;
    this.label.textContent = answer.uncertain ? "not a digit" : text;
    this.label.classList.toggle("pd-word", (text.length > 2 && !answer.number) || text.length > 6);
    this.label.classList.toggle("pd-number", !!answer.number);
    this.label.classList.toggle("pd-hint", !!answer.uncertain);
    if (answer.uncertain) this.sure.textContent = `nearest: ${text}` + (answer.number ? "" : `, ${share}`);
    else this.sure.textContent = answer.number ? `${answer.digits} digits, the last ${share}` : share;
    this.root.dataset.best = winner.label;
    this.root.dataset.seen = answer.uncertain ? "" : text;
    const context = this.seen.getContext("2d"), image = context.createImageData(SEEN, SEEN);
    for (let i = 0; i < SEEN * SEEN; i++) {
      const grey = parseInt(answer.picture.substr(2 * i, 2), 16);
      image.data.set([grey, grey, grey, 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
  }

  say(name, text) {
    this.state.textContent = text || WORDS[name] || "";
    this.state.classList.toggle("pd-lost", FINAL.has(name) || name === "disconnected" || name === "error");
    this.root.dataset.state = name;
  }

  paint() {
    const context = this.paper.getContext("2d"), side = this.paper.width;
    context.clearRect(0, 0, side, side);
    context.strokeStyle = context.fillStyle = getComputedStyle(this.paper).color;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.strokes) {
      context.globalCompositeOperation = stroke.erase ? "destination-out" : "source-over";
      context.lineWidth = stroke.width * side;
      context.beginPath();
      const points = stroke.points;
      if (stroke.picture) {
        if (stroke.mask) this.lay(context, stroke.mask, side);
        continue;
      }
      if (points.length === 2) { // a line without length would not be seen
        context.arc(points[0] * side, points[1] * side, stroke.width * side / 2, 0, 2 * Math.PI);
        context.fill();
        continue;
      }
      context.moveTo(points[0] * side, points[1] * side);
      for (let i = 2; i < points.length; i += 2) context.lineTo(points[i] * side, points[i + 1] * side);
      context.stroke();
    }
    context.globalCompositeOperation = "source-over";
    this.clearButton.disabled = this.strokes.length === 0;
    this.undoButton.disabled = this.done.length === 0;
    this.redoButton.disabled = this.undone.length === 0;
  }

  // A picture's brightness is how much ink there is.
  load(stroke) {
    const image = new Image();
    image.onload = () => {
      const mask = document.createElement("canvas"), context = mask.getContext("2d");
      mask.width = image.width;
      mask.height = image.height;
      context.drawImage(image, 0, 0);
      const pixels = context.getImageData(0, 0, mask.width, mask.height);
      for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i];
      context.putImageData(pixels, 0, 0);
      stroke.mask = mask;
      this.paint();
    };
    image.src = `data:image/png;base64,${stroke.png}`;
  }

  // Fits a picture to the paper, in the ink's colour.
  lay(context, mask, side) {
    const own = mask.getContext("2d"), scale = side / Math.max(mask.width, mask.height);
    const width = mask.width * scale, height = mask.height * scale;
    own.globalCompositeOperation = "source-in";
    own.fillStyle = context.fillStyle;
    own.fillRect(0, 0, mask.width, mask.height);
    context.drawImage(mask, (side - width) / 2, (side - height) / 2, width, height);
  }

  // ---- what the hand does

  listen() {
    const paper = this.paper;
    paper.addEventListener("pointerdown", (event) => this.press(event));
    paper.addEventListener("pointermove", (event) => this.extend(event));
    for (const name of ["pointerup", "pointercancel"]) paper.addEventListener(name, (event) => this.finish(event));
    // the front end's own menu and dragging would take the pen away
    for (const name of ["contextmenu", "dragstart", "mousedown"]) {
      paper.addEventListener(name, (event) => { event.preventDefault(); event.stopPropagation(); });
    }
    // another theme, other ink
    new MutationObserver(() => this.paint()).observe(document.body,
      { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] });
  }

  place(event) {
    const box = this.paper.getBoundingClientRect(), border = this.paper.clientLeft;
    const part = (at, from, size) => Math.round(Math.min(1.5, Math.max(-0.5, (at - from - border) / size)) * 1e4) / 1e4;
    return [part(event.clientX, box.left, this.paper.clientWidth), part(event.clientY, box.top, this.paper.clientHeight)];
  }

  // The left button draws; the right one, a pen's eraser and the button "Eraser" erase.
  press(event) {
    if (this.open || !event.isPrimary || FINAL.has(this.root.dataset.state)) return;
    event.preventDefault();
    try {
      this.paper.setPointerCapture(event.pointerId);
    } catch (_) {
      // the pointer is gone again; its stroke is one point
    }
    const erase = this.erasing || event.button === 2 || event.button === 5;
    this.remember();
    this.open = { pointer: event.pointerId, width: erase ? this.eraser : this.pen, erase, points: this.place(event) };
    this.strokes.push(this.open);
    this.changed();
  }

  extend(event) {
    if (!this.open || event.pointerId !== this.open.pointer) return;
    const moves = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    const points = this.open.points;
    for (const move of moves.length ? moves : [event]) {
      const [x, y] = this.place(move);
      if (x !== points[points.length - 2] || y !== points[points.length - 1]) points.push(x, y);
    }
    this.changed();
  }

  finish(event) {
    if (this.open && event.pointerId === this.open.pointer) this.open = null;
  }

  remember() {
    this.done.push(this.strokes.slice());
    this.undone = [];
  }

  replace(strokes) {
    this.open = null;
    this.strokes = strokes;
    this.reset();
    this.changed();
  }

  clear() {
    this.remember();
    this.replace([]);
  }

  undo() {
    this.undone.push(this.strokes);
    this.replace(this.done.pop());
  }

  redo() {
    this.done.push(this.strokes);
    this.replace(this.undone.pop());
  }

  toggleEraser() {
    this.erasing = !this.erasing;
    this.eraserButton.setAttribute("aria-pressed", String(this.erasing));
  }

  changed() {
    this.paint();
    this.news = true;
    if (this.root.dataset.state === "disconnected" && this.connect()) this.say("waiting");
    this.pump();
  }

  // ---- what the kernel is asked, and says

  // The kernel is told everything anew with the next question.
  reset() {
    this.epoch++;
    this.told = { strokes: 0, points: 0 }; // of this epoch: strokes, and numbers of the last one's points
  }

  // Returns false where there is no kernel to ask.
  connect() {
    this.ready = false;
    this.waiting = []; // questions without an answer yet: { ask, message }
    this.reset();
    this.link = openLink(this.root, this.canvas, {
      answer: (data) => this.answer(data || {}),
      unanswered: (message) => this.unanswered(message),
      lost: (reason) => this.lose(reason),
    });
    return this.link !== null;
  }

  begin() {
    this.build();
    this.listen();
    this.say("waiting");
  }

  close() {
    if (this.link) this.link.close();
    this.link = null;
  }

  // What the kernel does not have yet.
  fresh() {
    const list = [];
    for (let i = Math.max(0, this.told.strokes - 1); i < this.strokes.length; i++) {
      const { width, erase, points, picture } = this.strokes[i];
      const from = i + 1 === this.told.strokes ? this.told.points : 0;
      const news = from < points.length || (picture && i + 1 > this.told.strokes);
      if (news) list.push({ at: i + 1, from: from / 2, width, erase, points: points.slice(from), picture });
    }
    const last = this.strokes[this.strokes.length - 1];
    this.told = { strokes: this.strokes.length, points: last ? last.points.length : 0 };
    return list;
  }

  pump() {
    if (!this.link || !this.ready || this.waiting.length >= FLIGHT || !this.news || this.timer) return;
    const early = (this.asked || 0) + SPACING - performance.now();
    if (early > 0) {
      this.timer = setTimeout(() => { this.timer = null; this.pump(); }, early);
      return;
    }
    this.news = false;
    this.asked = performance.now();
    const question = { ask: ++this.ask };
    this.waiting.push(question);
    question.message = this.link.send({ ask: question.ask, epoch: this.epoch, strokes: this.fresh() });
    setTimeout(() => { if (this.waiting.includes(question)) this.say("busy"); }, SLOW);
  }

  answer(data) {
    if (data.labels) {
      this.showLabels(data.labels);
      this.pen = data.pen;
      this.eraser = data.eraser;
      this.ready = true;
      if (!this.greeted && this.strokes.length === 0) { // drawn before this page was opened
        this.strokes = data.strokes;
        for (const stroke of this.strokes) if (stroke.picture) this.load(stroke);
      }
      this.greeted = true;
      this.paint();
      this.news = this.strokes.length > 0;
      this.say("ready", data.net);
      this.net = data.net;
      this.pump();
      return;
    }
    const place = this.waiting.findIndex((question) => question.ask === data.ask);
    if (place < 0) return;
    this.waiting.splice(0, place + 1);
    this.silence = 0;
    this.root.dataset.answers = ++this.answers;
    if (data.lost) {
      this.reset();
      this.news = true;
    } else if (data.error) {
      this.wipe();
      this.say("error", data.error);
    } else {
      this.say("ready", this.net);
      if (data.empty) this.wipe();
      else this.show(data);
    }
    this.pump();
  }

  // The kernel is done with a message. Had it no answer, it was interrupted, or is another kernel.
  unanswered(message) {
    if (message === OPENING && !this.ready) this.lose("unknown");
    const place = this.waiting.findIndex((question) => question.message === message);
    if (place < 0) return;
    this.waiting.splice(0, place + 1);
    this.silence++;
    if (this.silence >= TRIES) this.lose("silent");
    else {
      this.reset();
      this.news = true;
      this.pump();
    }
  }

  lose(reason) {
    const known = WORDS[reason] ? reason : "unknown";
    this.close();
    this.ready = false;
    this.open = null;
    this.say(known);
    this.root.classList.toggle("pd-gone", FINAL.has(known));
  }
}

// Brings the canvases to life that have been put into the page and are not yet; where no kernel can be reached, the
// text that is there stays.
function enliven() {
  window.periluneCanvases = window.periluneCanvases || new Set();
  for (const root of document.querySelectorAll(".perilune-draw[data-canvas]:not([data-state])")) {
    for (const other of window.periluneCanvases) {
      const replaced = !other.root.isConnected && other.cell === root.closest(".jp-Cell, .cell");
      if (replaced || other.root === root) {
        other.close();
        window.periluneCanvases.delete(other);
      }
    }
    const widget = new Widget(root);
    root.dataset.state = "none";
    if (widget.connect()) {
      widget.begin();
      window.periluneCanvases.add(widget);
    }
  }
}

enliven();
