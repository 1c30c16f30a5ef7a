/** Patterns: what a head is known to attend to in a prefill, as kind and budgets. They say how to plan, and stand in head files. */
import { checkCount } from "./check.ts";

/** Every key. */
export interface DensePattern {
  /** Kind of the pattern. */
  readonly kind: "dense";
}

/** First tokens and a sliding window. */
export interface AShapePattern {
  /** Kind of the pattern. */
  readonly kind: "aShape";
  /** Tokens at the start of the text that every query sees. */
  readonly sink: number;
  /** Most recent tokens that a query sees, its own included. */
  readonly window: number;
}

/** Columns and diagonals, which the last queries of each chunk choose. */
export interface VerticalSlashPattern {
  /** Kind of the pattern. */
  readonly kind: "verticalSlash";
  /** Columns; at least 30 are taken. */
  readonly vertical: number;
  /** Diagonals; at least 50 are taken. */
  readonly slash: number;
}

/** Key blocks, which products of mean queries and mean keys choose. */
export interface BlockSparsePattern {
  /** Kind of the pattern. */
  readonly kind: "blockSparse";
  /** Tokens of a block. */
  readonly block: number;
  /** Key blocks that each block of queries sees, the first and its own among them. */
  readonly topK: number;
}

/** What one head attends to in a prefill. */
export type HeadPattern =
  | DensePattern
  | AShapePattern
  | VerticalSlashPattern
  | BlockSparsePattern;

/** A pattern for each query head of each layer. */
export type HeadPatterns = readonly (readonly HeadPattern[])[];

/** The pattern with its fields in a fixed order. Throws `RangeError` where it has an unknown kind or a budget out of range. */
export function checkedPattern(action: string, pattern: HeadPattern): HeadPattern {
  const { kind } = pattern;
  switch (kind) {
    case "dense":
      return { kind };
    case "aShape": {
      const { sink, window } = pattern;
      checkCount(action, "sink", sink, 0);
      checkCount(action, "window", window, 1);
      return { kind, sink, window };
    }
    case "verticalSlash": {
      const { vertical, slash } = pattern;
      checkCount(action, "vertical", vertical, 0);
      checkCount(action, "slash", slash, 0);
      return { kind, vertical, slash };
    }
    case "blockSparse": {
      const { block, topK } = pattern;
      checkCount(action, "block", block, 1);
      checkCount(action, "topK", topK, 1);
      return { kind, block, topK };
    }
    default:
      throw new RangeError(
        `Cannot ${action} as kind must be dense, aShape, verticalSlash or blockSparse: ` +
          `current value is ${kind}`,
      );
  }
}
