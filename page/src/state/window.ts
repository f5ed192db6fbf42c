/* Which rows of a long list exist at all: those in sight and a few more. Pure. */

export interface Window {
  first: number;
  /** excluded */
  end: number;
  above_px: number;
  below_px: number;
}

/** Rows beyond each edge, so that a flick of the wheel meets rows and not a gap. */
const SPARE = 8;

export function windowOf(scrollTop: number, height: number, row: number, total: number): Window {
  const inSight = Math.ceil(height / row) + 2 * SPARE;
  const first = Math.max(0, Math.min(Math.floor(scrollTop / row) - SPARE, total - inSight));
  const end = Math.min(total, first + inSight);
  return { first, end, above_px: first * row, below_px: (total - end) * row };
}
