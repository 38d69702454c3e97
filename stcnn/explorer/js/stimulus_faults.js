// What is wrong with the parameters of a stimulus, as a sentence.

/** A fault of the parameters, as a sentence. */
export class StimulusFault extends Error {}

/** Throw a sentence. */
export const fault = (sentence) => {
  throw new StimulusFault(sentence);
};

/** Throw where a contrast around a mean would be above white. */
export function requireWhite(contrast, mean) {
  if (mean * (1 + contrast) > 1 + 1e-9) fault(`contrast ${contrast} around luminance ${mean} exceeds white: lower one of them`);
}
