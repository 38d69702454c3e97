// Tuning curves: the largest answer while one argument of the stimulus goes through a range.

import { answered } from "./clips.js";
import { stimulus } from "./stimuli.js";

/** Values from low to high, evenly spaced. */
export const spaced = (low, high, count) => Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));

/** Largest calcium of each cell type after onset, above what it was before. */
export const peaksOf = (answer) => answer.calcium.map((trace) => Math.max(...trace));

/**
 * Yield {value, peaks} for every value of an argument; values that the stimulus refuses are left out.
 */
export async function* tuningCurve(model, edits, screen, parameters, argument, values, cancelled) {
  for (const value of values) {
    let shown;
    try {
      const timing = { ...parameters.timing, after_s: Math.max(0.3, parameters.timing?.after_s ?? 0) };
      shown = stimulus(screen, { ...parameters, [argument]: value, timing });
    } catch {
      continue;
    }
    const answer = await answered(model, edits, shown, { cancelled });
    if (!answer) return;
    yield { value, peaks: peaksOf(answer) };
  }
}
