/** Sizes of what goes into a notebook, which is JSON that people keep in git. */

const WARN_BYTES = 1_000_000;
const MOST_BYTES = 5_000_000;

/**
 * Gives the bundle back, with a note in its text above 1 MB.
 *
 * @throws {RangeError} above 5 MB, with advice
 */
export function checkBundle(
  bundle: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const bytes = new Blob(Object.values(bundle)).size;
  if (bytes <= WARN_BYTES) return bundle;
  const size = `${(bytes / 1e6).toFixed(1)} MB`;
  const advice = "draw fewer cells (maxCells), fewer tokens, or save() it to a file";
  if (bytes > MOST_BYTES) {
    throw new RangeError(
      `Cannot show the figure as it must be <= 5 MB: current value is ${size}; ${advice}`,
    );
  }
  return {
    ...bundle,
    "text/plain": `${bundle["text/plain"]}\n(${size} in this notebook: ${advice})`,
  };
}
