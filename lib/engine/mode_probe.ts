/** Tries what heads may do in a step of retrieval on the queries, keys and values of a layer, beside dense attention. */
import {
  addTails,
  ask,
  type Asked,
  attendAll,
  attendFound,
  attendStatic,
  headsOf,
  nothingFound,
  relativeError,
  type Rows,
  withBuilt,
} from "./asked_rows.ts";
import type { ProbeParts } from "./head_probe.ts";
import type { IndexTrialOptions } from "./index_probe.ts";
import { QUERY_SAMPLES } from "./session_defaults.ts";

/** How modes are tried. */
export interface ModeTrialOptions extends Omit<IndexTrialOptions, "index"> {
  /**
   * The index that is asked.
   * @default { kind: "exact" }
   */
  readonly index?: IndexTrialOptions["index"];
}

/** Modes that leave something out. */
export type CheaperMode = "streaming" | "tail" | "index";

/** What the modes of a query head are off by. */
export interface ModeTrial {
  /** L2 error of the attention output over the dense output's norm, for each row that asks. */
  readonly errors: Readonly<Record<CheaperMode, Float64Array>>;
  /** Keys that the index scored for each row: the mean. */
  readonly scanned: number;
  /** Clusters that the estimate of the tail scores for each row. */
  readonly clusters: number;
}

/**
 * Tries the modes on the last rows of a layer. The first of these sees as many recent keys beside the index as `window` says and
 * each row one more, as in steps that take keys into the index by the batch; a streaming head always as many.
 */
export async function tryModes(
  parts: ProbeParts,
  options: ModeTrialOptions = {},
): Promise<ModeTrial[]> {
  const { window = 512 } = options;
  const asked = askedOf(parts, options, window);
  return await withBuilt(parts, asked, async ({ index, tails }) => {
    const [none, found] = [nothingFound(parts, asked), await ask(parts, index, asked)];
    const estimated = async (keys: typeof found) =>
      await addTails(parts, tails, keys, await attendFound(parts, keys, asked), asked);
    const outputs = {
      streaming: await attendStatic(parts, asked, window),
      tail: await estimated(none),
      index: await estimated(found),
    };
    const dense = await attendAll(parts, asked);
    const { heads, dim } = parts.model.config;
    return headsOf(parts).map((head) => {
      const errorsOf = (part: Rows) =>
        Float64Array.from({ length: asked.rows }, (_, row) => {
          return relativeError([row * heads + head], dim, part, dense);
        });
      const { streaming, tail, index } = outputs;
      return {
        errors: {
          streaming: errorsOf(streaming),
          tail: errorsOf(tail),
          index: errorsOf(index),
        },
        scanned: found.scanned.reduce((sum, row) => sum + row[head]!, 0) / asked.rows,
        clusters: tails.tailClusters,
      };
    });
  });
}

function askedOf({ tensors }: ProbeParts, options: ModeTrialOptions, window: number): Asked {
  const { index = { kind: "exact" }, sink = 128, topK = 100, rows = 256 } = options;
  const { samples = QUERY_SAMPLES, tailKeys = 64 } = options;
  const tokens = tensors.q.shape[0]!;
  const end = tokens - rows + 1 - window;
  if (end > sink && rows >= 1) return { index, sink, topK, rows, samples, tailKeys, end };
  throw new RangeError(
    `Cannot try modes as the text must be longer than sink, window and rows, and rows at least 1: ` +
      `current value is ${tokens} tokens, ${rows} rows`,
  );
}
