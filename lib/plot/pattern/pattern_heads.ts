/** The pattern of every head, in whichever form it comes. */
import { kindName, patternName } from "./kind_name.ts";
import type { PlanValue } from "./plan_value.ts";

/** One head's pattern, as a row. */
export interface PatternHead {
  /** Layer of the head. */
  readonly layer: number;
  /** The head. */
  readonly head: number;
  /** Name of its pattern; `null` where nothing is known. */
  readonly pattern: string | null;
  /**
   * Tile area that it computes over that of dense attention, shown by a bar; `NaN` where it is not known.
   * @default unknown
   */
  readonly tileShare?: number;
  /**
   * More about it, such as its budget, for what shows under the pointer.
   * @default nothing
   */
  readonly note?: string;
}

/** A head file: what is used of it. */
export interface PatternFile {
  /** The model. */
  readonly model: { readonly layers: number; readonly heads: number };
  /** Its layers. */
  readonly layers: readonly {
    /** Its query heads. */
    readonly queryHeads: readonly {
      /** Kind and budgets; `null` where nothing is known. */
      readonly pattern: { readonly kind: string } | null;
      /** How it did; `tileShare` is shown. */
      readonly scores: Readonly<Record<string, number>>;
    }[];
  }[];
}

/** Plans of the heads of one layer. */
export interface PatternLayer {
  /** One plan per query head. */
  readonly heads: readonly PlanValue[];
}

/** A checked grid of patterns. */
export interface PatternCells {
  /** Layers. */
  readonly layers: number;
  /** Heads a layer. */
  readonly heads: number;
  /** Pattern of every head, `null` where nothing is known, `[layers, heads]`. */
  readonly patterns: readonly (string | null)[];
  /** Tile share of every head, `NaN` where it is not known. */
  readonly shares: Float64Array;
  /** More about every head, perhaps empty. */
  readonly notes: readonly string[];
}

/** Larger numbers of layers or heads are taken for a mistake. */
const MOST = 4096;
/** More cells than that are, too. */
const MOST_CELLS = 2 ** 20;

/**
 * The grid of some data.
 *
 * @throws {RangeError} when there are no heads, one occurs twice, or a number is out of range
 */
export function patternCells(
  data: readonly PatternHead[] | PatternFile | readonly PatternLayer[],
): PatternCells {
  const rows = rowsOf(data);
  if (rows.length === 0) throw wrong("there must be >= 1 heads", 0);
  const [layers, heads] = [countOf("layer", rows), countOf("head", rows)];
  if (layers * heads > MOST_CELLS) throw wrong(`heads must be <= ${MOST_CELLS}`, layers * heads);
  const patterns = Array<string | null>(layers * heads).fill(null);
  const shares = new Float64Array(patterns.length).fill(NaN);
  const notes = Array<string>(patterns.length).fill("");
  const seen = new Set<number>();
  for (const { layer, head, pattern, tileShare = NaN, note = "" } of rows) {
    const cell = layer * heads + head;
    if (seen.has(cell)) throw wrong("each must occur once", `layer ${layer}, head ${head} again`);
    seen.add(cell);
    if (tileShare < 0 || tileShare === Infinity) {
      throw wrong("tileShare must be finite and >= 0, or NaN", tileShare);
    }
    [patterns[cell], shares[cell], notes[cell]] = [pattern, tileShare, note];
  }
  return { layers, heads, patterns, shares, notes };
}

function rowsOf(
  data: readonly PatternHead[] | PatternFile | readonly PatternLayer[],
): readonly PatternHead[] {
  if ("model" in data) return rowsOfFile(data);
  if (data.length > 0 && "heads" in data[0]!) return rowsOfPlans(data as readonly PatternLayer[]);
  return data as readonly PatternHead[];
}

function rowsOfFile({ layers }: PatternFile): PatternHead[] {
  return layers.flatMap(({ queryHeads }, layer) =>
    queryHeads.map(({ pattern, scores: { tileShare } }, head) => ({
      layer,
      head,
      pattern: pattern && patternName(pattern.kind),
      ...(tileShare === undefined ? {} : { tileShare }),
      ...(pattern ? { note: budgetText({ ...pattern }) } : {}),
    }))
  );
}

function rowsOfPlans(layers: readonly PatternLayer[]): PatternHead[] {
  return layers.flatMap(({ heads }, layer) =>
    heads.map((plan, head) => ({
      layer,
      head,
      pattern: kindName([plan]),
      note: budgetText({ ...plan }),
    }))
  );
}

/** The numbers of a pattern or plan, and how many entries its lists have: `vertical 100, slash 200`. */
function budgetText(pattern: Readonly<Record<string, unknown>>): string {
  return Object.entries(pattern).flatMap(([name, value]) => {
    if (Array.isArray(value)) return [`${name} ${value.length}`];
    return typeof value === "number" ? [`${name} ${value}`] : [];
  }).join(", ");
}

function countOf(name: "layer" | "head", rows: readonly PatternHead[]): number {
  let count = 0;
  for (const { [name]: value } of rows) {
    if (!Number.isSafeInteger(value) || value < 0 || value >= MOST) {
      throw wrong(`${name} must be a whole number 0 .. ${MOST - 1}`, value);
    }
    count = Math.max(count, value + 1);
  }
  return count;
}

function wrong(rule: string, value: number | string): RangeError {
  return new RangeError(`Cannot draw patterns as ${rule}: current value is ${value}`);
}
