// Drawings that were cleared or replaced, the newest first, as small pictures with what was recognised.
//
// A drawing is known by the list of its strokes, or by its photo: one that is brought back and left as it was is not
// kept twice.
import { paintSheet } from "./paper.js";

const MOST = 48;
const SIDE = 64; // of a small picture, in CSS pixels

export const keyOf = (sheet) => sheet.photo || sheet.strokes;

export class History {
  // elements: { list, none }; hooks: verdict(key) -> { label, certain, text, kept } or undefined, bring(sheet)
  constructor({ list, none }, hooks) {
    Object.assign(this, { list, none, hooks, entries: [] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const entry of this.entries) this.paint(entry);
    });
  }

  keep(sheet) {
    const key = keyOf(sheet);
    if (this.entries.some((entry) => entry.key === key)) return;
    const item = document.createElement("li"), button = document.createElement("button");
    const canvas = document.createElement("canvas"), caption = document.createElement("span");
    button.type = "button";
    caption.ariaHidden = "true";
    button.append(canvas, caption);
    item.append(button);
    this.list.prepend(item);
    const entry = { key, sheet, item, button, canvas, caption };
    button.addEventListener("click", () => this.hooks.bring(entry.sheet));
    this.entries.unshift(entry);
    for (const old of this.entries.splice(MOST)) old.item.remove();
    this.none.hidden = true;
    this.list.scrollTo({ left: 0, top: 0 });
    this.paint(entry);
    this.refresh(key);
  }

  paint({ canvas, sheet }) {
    canvas.width = canvas.height = Math.round(SIDE * (devicePixelRatio || 1));
    paintSheet(canvas.getContext("2d"), canvas.width, sheet, getComputedStyle(canvas).color);
  }

  // What is known of a drawing may have changed.
  refresh(key) {
    const entry = this.entries.find((one) => one.key === key);
    if (!entry) return;
    const verdict = this.hooks.verdict(key);
    if (!verdict) {
      entry.caption.textContent = "…";
      entry.button.ariaLabel = "A drawing that was not recognised yet: bring it back";
      return;
    }
    entry.caption.textContent = verdict.kept ? `${verdict.kept} ✓` : verdict.certain ? verdict.label : "?";
    entry.button.dataset.kind = verdict.kept ? "kept" : verdict.certain ? "certain" : "uncertain";
    entry.button.title = verdict.kept ? `kept as ${verdict.kept}` : verdict.text;
    entry.button.ariaLabel = `${verdict.text}${verdict.kept ? `, kept as ${verdict.kept}` : ""}: bring it back`;
  }

  // Which one is on the canvas.
  show(key) {
    for (const entry of this.entries) {
      if (entry.key === key) entry.button.ariaCurrent = "true";
      else entry.button.removeAttribute("aria-current");
    }
  }
}
