/** Labels beside curves: each goes where it covers neither a curve nor another label. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface LabelledCurve {
  /** Pixels. */
  points: { x: number; y: number }[];
  width: number;
}

const GAP = 5;
const STEPS = 28;

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}

/** Where a straight line from `points` lies at `x`; null outside. */
function heightAt(points: { x: number; y: number }[], x: number): number | null {
  for (let index = 1; index < points.length; index++) {
    const a = points[index - 1];
    const b = points[index];
    if (a && b && a.x <= x && x <= b.x) return b.x === a.x ? b.y : a.y + ((x - a.x) / (b.x - a.x)) * (b.y - a.y);
  }
  return null;
}

function crossings(box: Box, points: { x: number; y: number }[]): number {
  let hits = 0;
  for (let step = 0; step <= 6; step++) {
    const y = heightAt(points, box.x + (box.width * step) / 6);
    if (y !== null && y > box.y - 3 && y < box.y + box.height + 3) hits++;
  }
  return hits;
}

/**
 * Middle-left anchors for labels of `curves`, in their order, inside `area` and off the boxes that are `taken`. Greedy over
 * positions along each curve.
 */
export function placeLabels(
  curves: LabelledCurve[],
  area: Box,
  height: number,
  taken: readonly Box[] = [],
): { x: number; y: number }[] {
  const placed: Box[] = [...taken];
  return curves.map((curve, index) => {
    let best = { x: area.x, y: area.y + height, cost: Number.POSITIVE_INFINITY };
    for (let step = 0; step <= STEPS; step++) {
      const x = area.x + (area.width * step) / STEPS;
      const y = heightAt(curve.points, x);
      if (y === null) continue;
      for (const [left, top] of [
        [x + GAP, y - height - 3],
        [x + GAP, y - height / 2 - 12],
        [x + GAP, y + 4],
        [x - curve.width - GAP, y - height - 3],
      ] as const) {
        const box = { x: left, y: top, width: curve.width, height };
        if (left < area.x || left + curve.width > area.x + area.width) continue;
        if (top < area.y - 2 || top + height > area.y + area.height + 2) continue;
        let cost = 0;
        for (const other of placed) cost += overlap(box, other) > 0 ? 100 : 0;
        curves.forEach((other, at) => {
          cost += crossings(box, other.points) * (at === index ? 6 : 8);
          // Ambiguous where another curve is as near as the label's own.
          const near = heightAt(other.points, x);
          if (at !== index && near !== null && Math.abs(near - y) < 14) cost += 5;
          // Inside another curve's area a label reads as that curve's.
          if (at !== index && near !== null && near < y) cost += 6;
        });
        // Far from the axis there is more to hold on to, and the middle is where the eye is.
        cost += Math.abs(step / STEPS - 0.45) * 2 + ((y - area.y) / area.height) * 4;
        if (cost < best.cost) best = { x: left, y: top, cost };
      }
    }
    placed.push({ x: best.x, y: best.y, width: curve.width, height });
    return { x: best.x, y: best.y + height / 2 };
  });
}

/** Middle heights of labels at a chart's right edge, pushed apart to at least `gap`, kept within [top, bottom]. */
export function pushApart(heights: number[], gap: number, top: number, bottom: number): number[] {
  const order = heights.map((y, index) => ({ y, index })).sort((a, b) => a.y - b.y);
  let previous = top - gap;
  for (const entry of order) {
    entry.y = Math.max(entry.y, previous + gap);
    previous = entry.y;
  }
  let next = bottom + gap;
  for (const entry of order.reverse()) {
    entry.y = Math.min(entry.y, next - gap);
    next = entry.y;
  }
  const result: number[] = [];
  for (const entry of order) result[entry.index] = entry.y;
  return result;
}
