/**
 * Exact masks of plans, read 32 keys at a time. Everything that lowers, unites or intersects goes through this
 * one view: `word(i, start)` has bit `c` set where query `i` sees key `start + c`, causality included.
 */
import type { BlockSparsePlan, HeadPlan, VerticalSlashPlan } from "./plan.ts";

/** What a whole tile is known to be without looking at its words. */
export type TileHint = "empty" | "full" | "causal" | "mixed";

/** The mask of a plan. */
export interface MaskSource {
  /** Bits of keys `start .. start+31` for query `i`; keys after `i` are never set. */
  word(i: number, start: number): number;
  /** What is known of keys `start .. start+size-1` for queries `i0 .. i1-1`; `mixed` is always a true answer. */
  hint(i0: number, i1: number, start: number, size: number): TileHint;
}

/** Bits `from <= c < to` of a word, both clamped to 0..32. */
export function bits(from: number, to: number): number {
  const low = Math.max(0, Math.min(32, from));
  const high = Math.max(low, Math.min(32, to));
  const below = (count: number) => count === 32 ? -1 : (1 << count) - 1;
  return below(high) & ~below(low);
}

/** How many bits of a word are set. */
export function countBits(word: number): number {
  let count = 0;
  for (; word !== 0; word &= word - 1) count++;
  return count;
}

/** Keys `from <= j < to`, seen from a word that starts at key `start`. */
function span(start: number, from: number, to: number): number {
  return bits(from - start, to - start);
}

/** Mask of a plan for queries below `length`. */
export function maskOf(plan: HeadPlan, length: number): MaskSource {
  switch (plan.kind) {
    case "dense":
      return dense;
    case "streaming":
      return streaming(plan.sink, plan.window);
    case "verticalSlash":
      return verticalSlash(plan, length);
    case "blockSparse":
      return blockSparse(plan);
    case "split":
      return split(plan.at, maskOf(plan.before, length), maskOf(plan.after, length));
    case "union":
      return united(plan.plans.map((part) => maskOf(part, length)));
    case "intersect":
      return intersected(plan.plans.map((part) => maskOf(part, length)));
    case "staticPlusRetrieved":
      throw new RangeError(
        "Cannot lower as staticPlusRetrieved plans are made for one query: use lowerRow()",
      );
  }
}

function causalHint(i0: number, i1: number, start: number, size: number): TileHint {
  if (start + size - 1 <= i0) return "full";
  return start >= i1 ? "empty" : "causal";
}

const dense: MaskSource = {
  word: (i, start) => span(start, 0, i + 1),
  hint: causalHint,
};

function streaming(sink: number, window: number): MaskSource {
  return {
    word: (i, start) =>
      span(start, 0, Math.min(sink, i + 1)) | span(start, Math.max(0, i - window + 1), i + 1),
    hint(i0, i1, start, size) {
      const end = start + size;
      if (start >= i1) return "empty";
      if (end <= sink || start > i1 - 1 - window) return causalHint(i0, i1, start, size);
      return start >= sink && end <= i0 - window + 1 ? "empty" : "mixed";
    },
  };
}

function verticalSlash(plan: VerticalSlashPlan, length: number): MaskSource {
  const columns = bitset(plan.vertical, length);
  // Slash distances are stored backwards, so that the keys of a row are consecutive bits.
  const last = length - 1;
  const slashes = bitset(
    plan.slash.filter((d) => d <= last).map((d) => last - d),
    length,
  );
  return {
    word: (i, start) =>
      (readBits(columns, start) | readBits(slashes, last - i + start)) & span(start, 0, i + 1),
    hint: (_i0, i1, start) => start >= i1 ? "empty" : "mixed",
  };
}

function bitset(values: readonly number[], length: number): Int32Array {
  const words = new Int32Array((length >> 5) + 1);
  for (const value of values) {
    if (value < length) words[value >> 5]! |= 1 << (value & 31);
  }
  return words;
}

function readBits(words: Int32Array, at: number): number {
  const index = at >> 5;
  const shift = at & 31;
  const low = (words[index] ?? 0) >>> shift;
  return shift === 0 ? low : low | ((words[index + 1] ?? 0) << (32 - shift));
}

function blockSparse({ block, from = 0, blocks }: BlockSparsePlan): MaskSource {
  const sets = blocks.map((row) => new Set(row));
  const rowOf = (i: number) => Math.floor((i - from) / block);
  return {
    word(i, start) {
      const chosen = sets[rowOf(i)];
      if (!chosen) return 0;
      let word = 0;
      for (let b = Math.floor(start / block); b * block < start + 32; b++) {
        if (chosen.has(b)) word |= span(start, b * block, (b + 1) * block);
      }
      return word & span(start, 0, i + 1);
    },
    hint(i0, i1, start, size) {
      const last = Math.floor((Math.min(start + size, i1) - 1) / block);
      let [some, all] = [false, true];
      for (let row = rowOf(i0); row <= rowOf(i1 - 1); row++) {
        for (let b = Math.floor(start / block); b <= last; b++) {
          const chosen = sets[row]?.has(b) ?? false;
          some ||= chosen;
          all &&= chosen;
        }
      }
      if (start >= i1 || !some) return "empty";
      return all ? causalHint(i0, i1, start, size) : "mixed";
    },
  };
}

function split(at: number, before: MaskSource, after: MaskSource): MaskSource {
  return {
    word: (i, start) => (i < at ? before : after).word(i, start),
    hint(i0, i1, start, size) {
      if (i1 <= at) return before.hint(i0, i1, start, size);
      if (i0 >= at) return after.hint(i0, i1, start, size);
      return start >= i1 ? "empty" : "mixed";
    },
  };
}

function united(parts: readonly MaskSource[]): MaskSource {
  return {
    word: (i, start) => parts.reduce((word, part) => word | part.word(i, start), 0),
    hint(i0, i1, start, size) {
      const hints = parts.map((part) => part.hint(i0, i1, start, size));
      if (hints.every((hint) => hint === "empty")) return "empty";
      return hints.find((hint) => hint === "full" || hint === "causal") ?? "mixed";
    },
  };
}

function intersected(parts: readonly MaskSource[]): MaskSource {
  return {
    word: (i, start) => parts.reduce((word, part) => word & part.word(i, start), -1),
    hint(i0, i1, start, size) {
      const hints = parts.map((part) => part.hint(i0, i1, start, size));
      if (hints.includes("empty")) return "empty";
      if (hints.includes("mixed")) return "mixed";
      return hints[0]!;
    },
  };
}
