// The eraser: what is left of strokes when a disc is moved over them. It takes what it touches: a stroke is cut where the
// disc comes as near to its middle line as half its width, and its ends are round again. So the service, which knows
// strokes of one width and nothing else, needs no eraser of its own.

const CRUMB = 1;    // a piece so short is not left over
const TOUCH = 0.15; // points are rounded to 0.1: what the disc has no deeper in it was cut there before

// Where a segment is within a disc: [from, to] as shares of its length, perhaps beyond its ends; null when it is not.
function within(px, py, qx, qy, x, y, radius) {
  const dx = qx - px, dy = qy - py, fx = px - x, fy = py - y, length = dx * dx + dy * dy;
  const nearest = length && Math.min(1, Math.max(0, -(fx * dx + fy * dy) / length));
  if (Math.hypot(fx + nearest * dx, fy + nearest * dy) > radius - TOUCH) return null;
  if (length === 0) return [0, 1];
  const half = fx * dx + fy * dy, root = Math.sqrt(half * half - length * (fx * fx + fy * fy - radius * radius));
  return [(-half - root) / length, (-half + root) / length];
}

const round = (value) => Math.round(value * 10) / 10;

function lengthOf(points) {
  let sum = 0;
  for (let i = 2; i < points.length; i += 2) sum += Math.hypot(points[i] - points[i - 2], points[i + 1] - points[i - 1]);
  return sum;
}

// What a disc leaves of a stroke [x, y, x, y, ...]: a list of strokes, or null when it does not touch it.
function cut(points, x, y, radius) {
  if (points.length === 2) return within(...points, ...points, x, y, radius) && [];
  const pieces = [];
  let piece = [points[0], points[1]], touched = false;
  const end = () => {
    if (piece && lengthOf(piece) >= CRUMB) pieces.push(piece);
    piece = null;
  };
  for (let i = 2; i < points.length; i += 2) {
    const [px, py, qx, qy] = points.slice(i - 2, i + 2), inside = within(px, py, qx, qy, x, y, radius);
    if (!inside) {
      if (piece) piece.push(qx, qy);
      else piece = [px, py, qx, qy];
      continue;
    }
    const at = (share) => [round(px + share * (qx - px)), round(py + share * (qy - py))], [from, to] = inside;
    touched = true;
    if (piece && from > 0) piece.push(...at(from));
    end();
    if (to < 1) piece = [...at(to), qx, qy];
  }
  end();
  return touched ? pieces : null;
}

// What a disc that goes from (ax, ay) to (bx, by) leaves of strokes: a new list, or null when it touches none.
export function erase(strokes, ax, ay, bx, by, radius) {
  const steps = Math.max(1, Math.ceil(2 * Math.hypot(bx - ax, by - ay) / radius));
  let left = strokes;
  for (let i = 0; i <= steps; i++) {
    const x = ax + (bx - ax) * i / steps, y = ay + (by - ay) * i / steps;
    left = left.flatMap((points) => {
      const pieces = cut(points, x, y, radius);
      return pieces || [points];
    });
  }
  return left.length === strokes.length && left.every((points, i) => points === strokes[i]) ? null : left;
}
