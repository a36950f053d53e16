// What the net says: the verdict, what it sees, a moving bar for each class, and the correction by clicking on one.

const HEAT = [255, 90, 31], HEAT_MOST = 184; // colour, and how opaque it gets

function make(parent, name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

export const percent = (value) => `${(100 * value).toFixed(1)} %`;

// Paints numbers from 0 to 1 as heat, one pixel each.
export function paintHeat(canvas, rows) {
  const height = rows.length, width = rows[0].length, image = new ImageData(width, height);
  rows.forEach((row, y) => row.forEach((value, x) => {
    image.data.set([...HEAT, HEAT_MOST * Math.min(1, Math.max(0, value))], 4 * (y * width + x));
  }));
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export class Panel {
  // elements: { verdict, label, sure, seen, bars, note }; hooks: correct(label), look(label or null: the bar that the
  // pointer or the focus is on)
  constructor(elements, hooks) {
    Object.assign(this, elements);
    this.hooks = hooks;
    this.rows = [];
    this.field = null; // what the net sees, as ImageData
  }

  // model: of /v1/models
  setModel(model) {
    this.labels = model.labels.map(String);
    this.digits = this.labels.every((label) => /^\d$/.test(label));
    [this.high, this.wide] = model.shape;
    this.corrections = model.corrections;
    this.bars.replaceChildren();
    this.bars.dataset.corrections = String(!!model.corrections);
    this.bars.dataset.long = String(this.labels.some((label) => label.length > 2));
    this.rows = this.labels.map((label) => this.makeRow(label));
    this.note.textContent = model.corrections ? `Wrong? ${this.way()}: the drawing is kept so.`
      : "Corrections are off: the service keeps none unless it is started with --corrections FOLDER.";
    this.wipe();
  }

  // How a person says what it really is.
  way() {
    if (matchMedia("(hover: none)").matches) return "Tap what it is";
    return this.digits ? "Click on what it is, or press its key" : "Click on what it is";
  }

  makeRow(label) {
    const row = make(this.bars, "li");
    make(row, "span", "name", label).setAttribute("aria-hidden", "true");
    const meter = make(row, "div", "meter");
    const about = { role: "meter", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100" };
    for (const [name, value] of Object.entries(about)) meter.setAttribute(name, value);
    const fill = make(meter, "div", "fill");
    const value = make(row, "span", "value");
    value.setAttribute("aria-hidden", "true");
    let button = null;
    if (this.corrections) {
      button = make(row, "button", "fix");
      button.type = "button";
      button.title = button.ariaLabel = `It is ${label}: keep the drawing so`;
      button.addEventListener("click", () => this.hooks.correct(label));
      button.addEventListener("focus", () => { if (button.matches(":focus-visible")) this.hooks.look(label); });
      button.addEventListener("blur", () => this.hooks.look(null));
    }
    row.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") this.hooks.look(label); });
    row.addEventListener("pointerleave", () => this.hooks.look(null));
    return { label, row, meter, fill, value, button };
  }

  setBar(row, value, kind) {
    row.fill.style.transform = `translateX(${100 * (value || 0) - 100}%)`;
    row.value.textContent = value === null ? "" : percent(value);
    row.meter.setAttribute("aria-valuenow", (100 * (value || 0)).toFixed(1));
    row.meter.setAttribute("aria-valuetext", value === null ? "nothing drawn" : `${Math.round(100 * value)} percent`);
    row.row.dataset.kind = kind;
    if (row.button) row.button.disabled = value === null;
  }

  // No ink, no verdict; or a reason why there is none, which is "refused" or (not yet) "empty".
  wipe(reason, kind = "refused") {
    this.verdict.dataset.kind = reason ? kind : "empty";
    this.label.textContent = "–";
    this.label.dataset.length = "short";
    this.sure.textContent = reason || "Nothing is drawn yet.";
    for (const row of this.rows) this.setBar(row, null, "empty");
    this.mark(null);
    const { seen } = this;
    seen.width = this.wide || 28;
    seen.height = this.high || 28;
    this.field = null;
    seen.setAttribute("aria-label", "What the net sees: nothing yet");
  }

  // prediction: of /v1/predict. Returns { label, confidence, certain, text for a screen reader }.
  verdictOf({ label, confidence, certain }) {
    const spoken = `${label}, ${Math.round(100 * confidence)} percent`;
    return { label: String(label), confidence, certain, text: certain ? spoken : `${this.none}; nearest ${spoken}` };
  }

  get none() { return this.digits ? "not a digit" : "not sure"; }

  // Shows a prediction of /v1/predict?input=1.
  show(prediction) {
    const { confidence, certain } = prediction, label = String(prediction.label), said = certain ? label : this.none;
    this.setBars(prediction);
    this.verdict.dataset.kind = certain ? "certain" : "uncertain";
    this.label.textContent = said;
    this.label.dataset.length = said.length > 2 ? "long" : "short";
    this.sure.textContent = certain ? percent(confidence) : `nearest: ${label}, ${percent(confidence)}`;
    this.showSeen(prediction.input);
    this.seen.setAttribute("aria-label", `What the net sees: your drawing in ${this.wide} by ${this.high} pixels`);
  }

  setBars({ probabilities, label, certain }) {
    this.rows.forEach((row, i) => {
      this.setBar(row, probabilities[i], row.label !== String(label) ? "other" : certain ? "best" : "nearest");
    });
  }

  // verdict: of number.js. The bars and what the net sees are the newest digit's.
  showNumber({ label, confidence, certain, newest }) {
    this.setBars(newest);
    this.verdict.dataset.kind = certain ? "certain" : "uncertain";
    this.label.textContent = label;
    this.label.dataset.length = label.length > 6 ? "long" : label.length > 2 ? "number" : "short";
    this.sure.textContent = certain ? percent(confidence) : `perhaps, ${percent(confidence)}`;
    this.showSeen(newest.input);
    this.seen.setAttribute("aria-label", `What the net sees: the digit written last in ${this.wide} by ${this.high} pixels`);
  }

  // Says something instead of how sure the net is.
  hint(text) {
    this.sure.textContent = text;
  }

  showSeen(input) {
    if (!input) return;
    const image = new ImageData(this.wide, this.high), plane = this.wide * this.high, channels = input.length / plane;
    for (let i = 0; i < plane; i++) {
      const at = (channel) => input[channels * i + Math.min(channel, channels - 1)];
      image.data.set([at(0), at(1), at(2), 255], 4 * i);
    }
    this.field = image;
    this.seen.getContext("2d").putImageData(image, 0, 0);
  }

  // Heat in the coordinates of what the net sees; null takes it away.
  heatSeen(rows) {
    if (!this.field) return;
    const context = this.seen.getContext("2d");
    context.putImageData(this.field, 0, 0);
    if (!rows) return;
    const heat = document.createElement("canvas");
    paintHeat(heat, rows);
    context.imageSmoothingEnabled = false;
    context.drawImage(heat, 0, 0, this.wide, this.high);
  }

  // The class that the drawing was kept as, or null.
  mark(label) {
    for (const row of this.rows) row.row.dataset.kept = String(row.label === label);
  }
}
