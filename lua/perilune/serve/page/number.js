// Several digits side by side, as /v1/read tells them: what is said of them, and where they are on the paper.
import { SIDE } from "./paper.js";

// { label: the number, confidence: that all of it is right, certain, number: its parts, newest: the part that is being
// written, text: for a screen reader }
export function verdictOf({ text, certain, parts }) {
  const confidence = parts.reduce((product, part) => product * part.confidence, 1);
  const spoken = `${text}, ${parts.length} digits, ${Math.round(100 * confidence)} percent`;
  return { label: text, confidence, certain, number: parts, newest: parts.find((part) => part.newest) || parts.at(-1),
    text: certain ? spoken : `perhaps ${spoken}` };
}

// Frames around the parts, each with its label; an empty list takes them away.
export function showBoxes(parent, parts) {
  const percent = (value) => `${100 * value / SIDE}%`;
  parent.replaceChildren(...parts.map(({ box, label, certain, newest }) => {
    const frame = document.createElement("div"), name = document.createElement("span");
    Object.assign(frame.style, { left: percent(box.left), top: percent(box.top), width: percent(box.right - box.left),
      height: percent(box.bottom - box.top) });
    name.textContent = certain ? label : `${label}?`;
    frame.append(name);
    frame.dataset.high = String(box.top < SIDE / 10);
    frame.dataset.newest = String(newest);
    return frame;
  }));
}

// The strokes that lie in a box, most of their points; all where there is none, since one stroke may be several digits.
export function strokesIn(strokes, box) {
  const found = strokes.filter((points) => {
    let inside = 0;
    for (let i = 0; i < points.length; i += 2) {
      const [x, y] = [points[i], points[i + 1]];
      inside += x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
    }
    return 4 * inside >= points.length;
  });
  return found.length ? found : strokes;
}
