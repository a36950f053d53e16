// The paper: strokes of mouse, finger, pen and keyboard, or a photo; what is erased and undone; and how it is painted.
//
// A sheet is { strokes: [[x, y, x, y, ...], ...], pen, photo }, in units of SIDE a side, y down; photo is null or what
// readPhoto gives, and a sheet has strokes or a photo, not both. Sheets are not changed but replaced, save that the stroke
// under the pen grows and that strokes dwindle under the eraser, on a sheet that was made when it first touched one: so a
// list of sheets is all that undo needs. One width of pen holds for the whole sheet.
import { erase } from "./eraser.js";

export const SIDE = 280;
const STEP = SIDE / 24, FINE = SIDE / 96; // of the keyboard's pen; the latter with Shift
const MARGIN = SIDE / 2;                  // so far outside the paper a stroke is followed
const LARGEST = 1024;                     // pixels of a photo's longer side that are sent
const SMALL = 64;                         // a photo with a side so short is shown in its pixels
const ERASER_LEAST = 16;                  // width of the eraser, which else is the pen's
const ERASING = new Set([2, 5]);          // buttons: the right one of a mouse, a pen's other end
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export const isBlank = (sheet) => sheet.strokes.length === 0 && !sheet.photo;

const round = (value) => Math.round(value * 10) / 10;

// A file's picture, upright, small enough to be sent: { canvas, blob }.
export async function readPhoto(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const type = file.type === "image/jpeg" ? "image/jpeg" : "image/png"; // the latter keeps what is transparent
  const blob = await new Promise((done) => { canvas.toBlob(done, type, 0.92); });
  if (!blob) throw new Error("the picture cannot be read");
  return { canvas, blob };
}

// Paints a sheet on a square of `side` pixels; ink is a colour.
export function paintSheet(context, side, sheet, ink) {
  context.clearRect(0, 0, side, side);
  if (sheet.photo) {
    const { canvas } = sheet.photo, longer = Math.max(canvas.width, canvas.height);
    const width = side * canvas.width / longer, height = side * canvas.height / longer;
    context.imageSmoothingEnabled = longer > SMALL;
    context.imageSmoothingQuality = "high";
    context.drawImage(canvas, (side - width) / 2, (side - height) / 2, width, height);
    return;
  }
  const unit = side / SIDE;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = context.fillStyle = ink;
  context.lineWidth = sheet.pen * unit;
  for (const points of sheet.strokes) {
    context.beginPath();
    if (points.length === 2) { // a line without length would not be seen
      context.arc(points[0] * unit, points[1] * unit, context.lineWidth / 2, 0, 2 * Math.PI);
      context.fill();
      continue;
    }
    context.moveTo(points[0] * unit, points[1] * unit);
    for (let i = 2; i < points.length; i += 2) context.lineTo(points[i] * unit, points[i + 1] * unit);
    context.stroke();
  }
}

// What the service is sent of a sheet: { type, body }.
export function bodyOf(sheet) {
  if (sheet.photo) return { type: sheet.photo.blob.type, body: sheet.photo.blob };
  const strokes = sheet.strokes.map((points) => {
    const pairs = [];
    for (let i = 0; i < points.length; i += 2) pairs.push([points[i], points[i + 1]]);
    return pairs;
  });
  return { type: "application/json", body: JSON.stringify({ strokes, pen: sheet.pen, width: SIDE, height: SIDE }) };
}

export class Paper {
  // elements: { ink, mark }; hooks: changed(time: when what caused it happened), leaving(sheet: it was replaced by
  // another one), said(text: for those who do not see), tool(eraser: is it taken up?)
  constructor(elements, hooks) {
    Object.assign(this, elements);
    this.hooks = hooks;
    this.sheet = { strokes: [], pen: 24, photo: null };
    this.done = [];   // sheets that undo brings back, the newest last
    this.undone = []; // and redo
    this.open = null; // who draws a stroke, or erases: { owner, points } or { owner, x, y, cut: is anything erased? }
    this.eraser = false; // is it taken instead of the pen?
    this.pointer = null; // where a pointer is that erases
    this.cursor = { x: SIDE / 2, y: SIDE / 2, down: false, seen: false };
    this.held = new Set(); // arrow keys: two together go aslant
    this.version = 0;
    this.listen();
    new ResizeObserver(() => this.fit()).observe(this.ink);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.repaint());
  }

  // ---- painting

  // As many pixels as the screen has there.
  fit() {
    const side = Math.max(1, Math.round(this.ink.clientWidth * (devicePixelRatio || 1)));
    if (this.ink.width !== side) this.ink.width = this.ink.height = side;
    this.paint();
    this.showCursor();
  }

  paint() {
    this.painting = 0;
    paintSheet(this.ink.getContext("2d"), this.ink.width, this.sheet, getComputedStyle(this.ink).color);
  }

  repaint() {
    if (!this.painting) this.painting = requestAnimationFrame(() => this.paint());
  }

  changed(time) {
    this.version++;
    this.repaint();
    this.hooks.changed(time === undefined ? performance.now() : time);
  }

  // ---- strokes

  get drawing() { return this.open !== null; }

  begin(x, y, owner, time) {
    this.finish();
    const { strokes, photo, pen } = this.sheet;
    if (photo) this.hooks.leaving(this.sheet);
    this.done.push(this.sheet);
    this.undone = [];
    this.open = { owner, points: [round(x), round(y)] };
    this.sheet = { strokes: photo ? [this.open.points] : [...strokes, this.open.points], pen, photo: null };
    this.changed(time);
  }

  // Goes on with what is open; returns whether that changes anything.
  follow(x, y) { return this.open.points ? this.extend(x, y) : this.rub(x, y); }

  extend(x, y) {
    const { points } = this.open, n = points.length;
    const within = (value) => round(Math.min(SIDE + MARGIN, Math.max(-MARGIN, value)));
    const [px, py] = [within(x), within(y)];
    if (px === points[n - 2] && py === points[n - 1]) return false;
    points.push(px, py);
    return true;
  }

  finish() {
    if (!this.open) return;
    this.open = null;
    this.cursor.down = false;
    if (isBlank(this.sheet)) this.setEraser(false);
    this.showCursor();
    this.hooks.changed(null);
  }

  // ---- erasing

  // With an empty canvas, and on a photo, there is nothing to take it up for.
  setEraser(on) {
    this.eraser = on && this.sheet.strokes.length > 0;
    this.ink.dataset.tool = this.eraser ? "eraser" : "pen";
    this.showCursor();
    this.hooks.tool(this.eraser);
  }

  get eraserWidth() { return Math.max(ERASER_LEAST, this.sheet.pen); }

  beginErasing(x, y, owner, time) {
    this.finish();
    this.open = { owner, x, y, cut: false };
    if (this.rub(x, y)) this.changed(time);
  }

  rub(x, y) {
    const { open, sheet } = this;
    const left = erase(sheet.strokes, open.x, open.y, x, y, (this.eraserWidth + sheet.pen) / 2);
    [open.x, open.y] = [x, y];
    if (!left) return false;
    if (open.cut) {
      sheet.strokes.splice(0, sheet.strokes.length, ...left);
    } else {
      this.done.push(sheet);
      this.undone = [];
      this.sheet = { ...sheet, strokes: left };
      open.cut = true;
    }
    return true;
  }

  // ---- pointers

  place(event, box) {
    return [(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE];
  }

  listen() {
    const { ink } = this;
    ink.addEventListener("pointerdown", (event) => {
      const erases = ERASING.has(event.button);
      if (!(event.button === 0 || erases) || (this.open && this.open.owner !== "keyboard")) return;
      ink.dataset.by = "pointer"; // who points at it needs no ring around it
      ink.focus({ preventScroll: true });
      event.preventDefault();
      try {
        ink.setPointerCapture(event.pointerId);
      } catch (_) {
        // the pointer is gone again; its stroke is one point
      }
      this.box = ink.getBoundingClientRect();
      this.cursor.seen = false;
      const begin = erases || this.eraser ? "beginErasing" : "begin";
      this[begin](...this.place(event, this.box), event.pointerId, event.timeStamp);
      this.pointAt(event);
    });
    ink.addEventListener("pointermove", (event) => this.pointAt(event));
    ink.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.showCursor();
    });
    ink.addEventListener("contextmenu", (event) => event.preventDefault()); // that button erases
    // raw updates do not wait for the next frame as moves do
    ink.addEventListener("onpointerrawupdate" in ink ? "pointerrawupdate" : "pointermove", (event) => {
      if (!this.open || this.open.owner !== event.pointerId) return;
      if (event.pointerType === "mouse" && event.buttons === 0) return this.finish(); // it was released, and nobody told
      const moves = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      let moved = false;
      for (const move of moves.length ? moves : [event]) moved = this.follow(...this.place(move, this.box)) || moved;
      if (moved) this.changed(event.timeStamp);
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      ink.addEventListener(name, (event) => {
        if (!this.open || this.open.owner !== event.pointerId) return;
        this.finish();
        this.pointAt(event);
      });
    }
    ink.addEventListener("dragstart", (event) => event.preventDefault());
    ink.addEventListener("focus", () => {
      this.cursor.seen = ink.dataset.by !== "pointer" && ink.matches(":focus-visible");
      this.showCursor();
    });
    ink.addEventListener("keyup", (event) => this.held.delete(event.key));
    ink.addEventListener("blur", () => {
      if (this.open && this.open.owner === "keyboard") this.finish();
      this.held.clear();
      ink.dataset.by = "";
      this.showCursor();
    });
  }

  // The eraser is seen where the pointer is.
  pointAt(event) {
    const erases = this.eraser || (this.open && this.open.owner === event.pointerId && !this.open.points);
    if (!erases && !this.pointer) return;
    const [x, y] = this.place(event, this.ink.getBoundingClientRect());
    this.pointer = erases && event.type !== "lostpointercapture" ? { x, y } : null;
    if (erases) this.cursor.seen = false;
    this.showCursor();
  }

  // ---- the keyboard's pen

  // Returns whether the key was for it.
  key(event) {
    this.ink.dataset.by = "";
    if (DIRECTIONS[event.key]) this.move(event);
    else if (event.key === " ") this.putPen(event.timeStamp);
    else if (event.key === "Escape" && this.open) this.finish();
    else return false;
    return true;
  }

  move(event) {
    if (this.open && this.open.owner !== "keyboard") return;
    const { cursor } = this, step = event.shiftKey ? FINE : STEP, within = (value) => Math.min(SIDE, Math.max(0, value));
    this.held.add(event.key);
    for (const name of this.held) {
      cursor.x = within(cursor.x + DIRECTIONS[name][0] * step);
      cursor.y = within(cursor.y + DIRECTIONS[name][1] * step);
    }
    cursor.seen = true;
    this.pointer = null;
    this.showCursor();
    if (this.open && this.follow(cursor.x, cursor.y)) this.changed(event.timeStamp);
  }

  putPen(time) {
    const { cursor } = this, tool = this.eraser ? "Eraser" : "Pen";
    if (this.open) {
      this.finish();
      this.hooks.said(`${tool} up`);
      return;
    }
    if (this.eraser) this.beginErasing(cursor.x, cursor.y, "keyboard", time);
    else this.begin(cursor.x, cursor.y, "keyboard", time);
    cursor.seen = cursor.down = true;
    this.showCursor();
    const percent = (value) => Math.round(100 * value / SIDE);
    this.hooks.said(`${tool} down, ${percent(cursor.x)} percent across, ${percent(cursor.y)} percent down`);
  }

  // The ring where the eraser is, or else the keyboard's pen.
  showCursor() {
    const { mark, cursor, ink, pointer } = this, { x, y } = pointer || cursor, erases = pointer !== null || this.eraser;
    const size = Math.max(10, (erases ? this.eraserWidth : this.sheet.pen) / SIDE * ink.clientWidth);
    mark.hidden = !pointer && (!cursor.seen || document.activeElement !== ink);
    mark.dataset.tool = erases ? "eraser" : "pen";
    mark.dataset.down = String(pointer ? this.drawing : cursor.down);
    mark.style.width = mark.style.height = `${size}px`;
    mark.style.transform = `translate(${x / SIDE * ink.clientWidth - size / 2}px, ${y / SIDE * ink.clientWidth - size / 2}px)`;
  }

  // ---- the whole sheet

  // Another sheet takes this one's place, which undo brings back.
  replace(sheet) {
    this.finish();
    if (!isBlank(this.sheet)) this.hooks.leaving(this.sheet);
    this.done.push(this.sheet);
    this.undone = [];
    this.sheet = sheet;
    this.changed();
    this.setEraser(this.eraser);
  }

  clear() {
    if (!isBlank(this.sheet)) this.replace({ strokes: [], pen: this.sheet.pen, photo: null });
  }

  step(from, to) {
    this.finish();
    if (from.length === 0) return;
    to.push(this.sheet);
    this.sheet = { ...from.pop(), pen: this.sheet.pen };
    this.changed();
    this.setEraser(this.eraser);
  }

  undo() { this.step(this.done, this.undone); }

  redo() { this.step(this.undone, this.done); }

  setPen(width) {
    this.sheet = { ...this.sheet, pen: width };
    this.showCursor();
    if (this.sheet.strokes.length) this.changed();
  }
}
