/** What each query head does in a step of retrieval: asks the index, or what a head file says of it. */
import type { HeadFile, RetrievalMode } from "./head_file.ts";

/** Modes of the query heads of each layer. */
export type RetrievalModes = readonly (readonly RetrievalMode[])[];

/** All modes. */
export const RETRIEVAL_MODES: readonly RetrievalMode[] = ["index", "tail", "dense", "streaming"];

/**
 * The modes of a head file, or checked ones; a head that a file says nothing of asks the index.
 *
 * @throws {RangeError} when there is another mode
 */
export function retrievalModes(action: string, heads: HeadFile | RetrievalModes): RetrievalModes {
  const layers: readonly (readonly (RetrievalMode | null | undefined)[])[] = isModes(heads)
    ? heads
    : heads.layers.map(({ queryHeads }) => queryHeads.map(({ retrieval }) => retrieval));
  return layers.map((layer) => layer.map((mode = "index") => checked(action, mode ?? "index")));
}

/** The mode of a head. */
export function modeOf(modes: RetrievalModes | null, layer: number, head: number): RetrievalMode {
  if (!modes) return "index";
  const mode = modes[layer]?.[head];
  if (mode) return mode;
  throw new RangeError(
    `Cannot plan layer ${layer}, head ${head} as retrieval must have its mode: current value is ` +
      `${modes.length} layers of ${modes[0]?.length} heads`,
  );
}

/** Whether they are modes and no file. */
export function isModes(heads: HeadFile | RetrievalModes): heads is RetrievalModes {
  return Array.isArray(heads);
}

function checked(action: string, mode: RetrievalMode): RetrievalMode {
  if (RETRIEVAL_MODES.includes(mode)) return mode;
  throw new RangeError(
    `Cannot ${action} as a head's mode must be of ${RETRIEVAL_MODES}: current value is ${mode}`,
  );
}
