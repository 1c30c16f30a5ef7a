import { denseDecode } from "./dense.ts";
import { described } from "./described.ts";
import { checkCount } from "./check.ts";
import type { HeadFile } from "./head_file.ts";
import { checkedPattern, type HeadPattern, type HeadPatterns } from "./head_pattern.ts";
import type { Method, PrefillContext } from "./method.ts";
import { planPatterns } from "./pattern_plans.ts";
import { RETRIEVAL_SEARCH } from "./retrieval_source.ts";

/** Options of {@link minference}. */
export interface MinferenceOptions {
  /** What each query head of each layer attends to: a head file, or its patterns. */
  readonly heads: HeadFile | HeadPatterns;
  /**
   * Multiplies the columns and diagonals of vertical-slash heads, as `minference_ratio` of the released code does.
   * @default 1
   */
  readonly ratio?: number;
  /**
   * First layer that follows its patterns; those below see every key.
   * @default 0
   */
  readonly startingLayer?: number;
  /**
   * Chunks that see fewer keys are dense: patterns of long texts cost more than they save in short ones. By default an eighth of
   * the tokens that the head file was made with, where it tells; else 0.
   */
  readonly denseBelow?: number;
}

const ACTION = "make a minference method";
/** Part of the tokens that patterns were searched with from which on they are followed. */
const FOLLOWED = 1 / 8;

/**
 * MInference (Jiang et al. 2024, arXiv 2407.02490): each head has the pattern that an offline search found for it. Heads of one
 * pattern share one estimate in each layer and chunk. Governs the prefill; single queries see every key.
 *
 * @throws {RangeError} if an option is out of range, or a head of the file has no pattern
 */
export function minference(options: MinferenceOptions): Method {
  const { ratio = 1, startingLayer = 0 } = options;
  if (!(ratio > 0 && ratio < Infinity)) {
    throw new RangeError(`Cannot ${ACTION} as ratio must be > 0: current value is ${ratio}`);
  }
  checkCount(ACTION, "startingLayer", startingLayer, 0);
  const heads = patternsOf(options.heads);
  const { denseBelow = Math.floor(FOLLOWED * tokensOf(options.heads)) } = options;
  checkCount(ACTION, "denseBelow", denseBelow, 0);
  return described({
    name: "minference",
    options: { heads, ratio, startingLayer, denseBelow },
    governsPrefill: true,
    planPrefill: (context) => {
      const isDense = context.layer < startingLayer || context.kvLength < denseBelow;
      const patternOf = (head: number) =>
        isDense ? { kind: "dense" } as const : scaled(patternAt(heads, context, head), ratio);
      return planPatterns(context, patternOf);
    },
    ...denseDecode,
  });
}

function patternsOf(heads: HeadFile | HeadPatterns): HeadPattern[][] {
  const layers: readonly (readonly (HeadPattern | null)[])[] = isPatterns(heads)
    ? heads
    : heads?.layers?.map(({ queryHeads }) => queryHeads.map(({ pattern }) => pattern)) ?? [];
  if (layers.length === 0 || !layers.every(Array.isArray)) {
    throw new RangeError(
      `Cannot ${ACTION} as heads must be a head file or a list of heads for each layer: current value is ${
        layers.length === 0 ? "empty" : "another list"
      }`,
    );
  }
  return layers.map((layer, l) => layer.map((pattern, h) => checked(pattern, l, h)));
}

/** Tokens of the longest texts that patterns were found with; 0 where nothing tells. */
function tokensOf(heads: HeadFile | HeadPatterns): number {
  if (isPatterns(heads)) return 0;
  const sources = heads.obtained.filter(({ by }) => by !== RETRIEVAL_SEARCH);
  return Math.max(0, ...sources.map(({ tokens }) => tokens ?? 0));
}

function isPatterns(heads: HeadFile | HeadPatterns): heads is HeadPatterns {
  return Array.isArray(heads);
}

function checked(pattern: HeadPattern | null, layer: number, head: number): HeadPattern {
  const action = `${ACTION} with layer ${layer}, head ${head}`;
  if (pattern) return checkedPattern(action, pattern);
  throw new RangeError(`Cannot ${action} as it must have a pattern: current value is null`);
}

function patternAt(heads: HeadPatterns, { layer }: PrefillContext, head: number): HeadPattern {
  const pattern = heads[layer]?.[head];
  if (pattern) return pattern;
  throw new RangeError(
    `Cannot plan layer ${layer}, head ${head} as minference must have its pattern: current value is ` +
      `${heads.length} layers of ${heads[0]?.length} heads`,
  );
}

function scaled(pattern: HeadPattern, ratio: number): HeadPattern {
  if (pattern.kind !== "verticalSlash") return pattern;
  const { vertical, slash } = pattern;
  return {
    ...pattern,
    vertical: Math.floor(vertical * ratio),
    slash: Math.floor(slash * ratio),
  };
}
