import type { LiveCapture, LiveStep } from "./live_types.ts";
import { PositionSums } from "./position_sums.ts";
import { RollingStrip } from "./rolling_strip.ts";

/** What heads retrieved, over steps. */
export interface Retrieved {
  /** Heads that retrieved each position. */
  readonly counts: Float64Array;
  /** Their sum. */
  readonly sum: number;
  /** Keys there were: the denominator. */
  readonly keys: number;
}

/** Where steps looked: means over heads and steps. */
export interface Look {
  /** Attention of each position; `NaN` for token 0, which takes what a head has no use for. */
  readonly row: Float64Array;
  /** Attention of token 0. */
  readonly sink: number;
  /** Keys that heads retrieved, and how many there were for all heads together. */
  readonly retrieved: Retrieved;
  /** Captured layers, rising. */
  readonly layers: readonly number[];
  /** Captured heads. */
  readonly heads: number;
}

/** The attention of the steps of a generation, as far as it was captured. */
export class LiveAttention {
  /** The last steps, over binned positions. */
  readonly strip: RollingStrip = new RollingStrip();
  readonly #chosen: Required<LiveCapture>;
  readonly #all = new LookSums();
  #last: Look | null = null;

  /** Looks at the chosen layers and heads. */
  constructor(chosen: Required<LiveCapture>) {
    this.#chosen = chosen;
  }

  /** Takes a step in; one without rows leaves everything as it is. */
  add(step: LiveStep): void {
    const { layers, heads } = this.#chosen;
    const captured = step.captured.filter(({ layer, head }) =>
      (layers === "all" || layers.includes(layer)) && (heads === "all" || heads.includes(head))
    );
    if (captured.length === 0) return;
    this.#last = lookOf(step, captured);
    this.#all.add(this.#last);
    this.strip.push(step.index, this.#last.row);
  }

  /** Where the last step looked; `null` before the first one with rows. */
  last(): Look | null {
    return this.#last;
  }

  /** Where all steps looked. */
  all(): Look | null {
    return this.#last && this.#all.mean(this.#last);
  }
}

/** Sums of looks. */
class LookSums {
  readonly #rows = new PositionSums();
  readonly #counts = new PositionSums();
  #sink = 0;
  #sum = 0;
  #keys = 0;
  #steps = 0;

  add({ row, sink, retrieved }: Look): void {
    this.#rows.add(row);
    this.#counts.add(retrieved.counts);
    this.#sink += sink;
    this.#sum += retrieved.sum;
    this.#keys += retrieved.keys;
    this.#steps++;
  }

  /** The mean look, of the heads of `last`. A position's sum is divided by all steps, those before it included. */
  mean(last: Look): Look {
    const steps = this.#steps;
    const counts = this.#counts.values.slice();
    return {
      ...last,
      row: this.#rows.values.map((sum) => sum / steps),
      sink: this.#sink / steps,
      retrieved: { counts, sum: this.#sum, keys: this.#keys },
    };
  }
}

function lookOf(step: LiveStep, captured: LiveStep["captured"]): Look {
  const row = new Float64Array(step.index);
  for (const { layer, head } of captured) addTo(row, step.attention(layer, head));
  for (let position = 0; position < row.length; position++) row[position]! /= captured.length;
  const sink = row[0]!;
  row[0] = NaN;
  const layers = [...new Set(captured.map(({ layer }) => layer))].sort((a, b) => a - b);
  return { row, sink, retrieved: retrievedIn(step, layers), layers, heads: captured.length };
}

function addTo(sums: Float64Array, row: Float32Array): void {
  for (let position = 0; position < sums.length; position++) sums[position]! += row[position]!;
}

/** What all heads of some layers retrieved. */
function retrievedIn(step: LiveStep, layers: readonly number[]): Retrieved {
  const counts = new Float64Array(step.index);
  let [sum, keys] = [0, 0];
  for (const layer of layers) {
    for (let head = 0; head < step.plan(layer).heads.length; head++) {
      const { indices } = step.retrieval(layer, head);
      for (const position of indices) counts[position]!++;
      sum += indices.length;
      keys += step.index;
    }
  }
  return { counts, sum, keys };
}
