/** What a trace holds: its tables and their columns, one Arrow IPC stream file each, `<table>.arrow` in a directory. */
import type { ArrowField } from "./arrow_stream.ts";

/** Version of the tables below. It rises when a column is added, goes, or gets another meaning. */
export const TRACE_VERSION = 1;

/** A column of a table. */
export interface TraceColumn extends ArrowField {
  /** What it holds, in a line; stored with the column. */
  readonly doc: string;
}

/**
 * The columns of every table.
 *
 * `run` numbers the runs of a trace, `step` the generated tokens of a run, `layer` and `head` those of the model, all
 * from 0. A row of `heads`, `plans` or `retrieval` with a step tells of the pass that chose that step's token. Of text
 * that is read there are the chunks (`timing`) and the plans of a prefill, but no rows by head.
 */
export const TRACE_TABLES = {
  run: [
    { name: "run", type: "int32", doc: "Number of the run" },
    { name: "name", type: "utf8", doc: "What was called: prefill, ask, generate, step, ..." },
    { name: "method", type: "utf8", doc: "Name of the attention method" },
    { name: "methodOptions", type: "utf8", doc: "Options of the method, as JSON" },
    { name: "model", type: "utf8", doc: "Shape and constants of the model, as JSON" },
    { name: "kv", type: "utf8", doc: "Element type of keys and values" },
    { name: "backend", type: "utf8", doc: "Where it was computed: reference, cpu, cuda" },
    { name: "tokensBefore", type: "int32", doc: "Tokens of the session when the run started" },
    {
      name: "tokensAfter",
      type: "int32",
      nullable: true,
      doc: "Tokens of the session when the run ended; null until then",
    },
    { name: "startedAt", type: "utf8", doc: "When the run started, ISO 8601" },
    {
      name: "ms",
      type: "float64",
      nullable: true,
      doc: "Milliseconds it took; null until it ended",
    },
    {
      name: "ended",
      type: "utf8",
      nullable: true,
      doc:
        "finished, cancelled or failed; null while it runs, and where the recording ended before it",
    },
    { name: "error", type: "utf8", nullable: true, doc: "Why it failed; null unless it did" },
  ],
  steps: [
    { name: "run", type: "int32", doc: "Number of the run" },
    { name: "step", type: "int32", doc: "Number of the generated token in its run" },
    { name: "index", type: "int32", doc: "Place of the token in the session" },
    { name: "token", type: "int32", doc: "Id of the token" },
    { name: "text", type: "utf8", doc: "Its text; empty while a character is incomplete" },
    { name: "ms", type: "float64", doc: "Milliseconds of the whole step" },
    {
      name: "logProb",
      type: "float64",
      doc: "Natural log-probability of the token under the model, before any sampling option",
    },
    {
      name: "entropy",
      type: "float64",
      doc: "Entropy in nats of the model's distribution, before any sampling option",
    },
    { name: "scanned", type: "float64", doc: "Query-key scores computed to select, all heads" },
    { name: "attended", type: "float64", doc: "Keys in the softmaxes, all heads" },
    { name: "keys", type: "float64", doc: "Keys there were for all heads together" },
  ],
  heads: [
    { name: "run", type: "int32", doc: "Number of the run" },
    { name: "step", type: "int32", doc: "Number of the generated token in its run" },
    { name: "layer", type: "int32", doc: "Layer" },
    { name: "head", type: "int32", doc: "Query head" },
    { name: "scanned", type: "int32", doc: "Query-key scores computed to select" },
    { name: "attended", type: "int32", doc: "Keys in the softmax" },
    { name: "keys", type: "int32", doc: "Keys there were" },
    {
      name: "mass",
      type: "float64",
      nullable: true,
      doc:
        "Share of the dense attention mass on the attended keys; null unless exactMass was captured",
    },
  ],
  plans: [
    {
      name: "run",
      type: "int32",
      doc: "Number of the run in which the plan was new for this head",
    },
    {
      name: "step",
      type: "int32",
      nullable: true,
      doc: "Number of the generated token in its run; null for a chunk of a prefill",
    },
    { name: "layer", type: "int32", doc: "Layer" },
    { name: "head", type: "int32", doc: "Query head" },
    { name: "phase", type: "utf8", doc: "prefill or decode: each has its own plans" },
    {
      name: "index",
      type: "int32",
      doc: "Place in the session of the generated token, or of the chunk's first token",
    },
    {
      name: "plan",
      type: "utf8",
      doc:
        "The plan as JSON, without retrieved keys; in force until the head's next one of this phase",
    },
  ],
  retrieval: [
    { name: "run", type: "int32", doc: "Number of the run" },
    { name: "step", type: "int32", doc: "Number of the generated token in its run" },
    { name: "layer", type: "int32", doc: "Layer" },
    { name: "head", type: "int32", doc: "Query head; heads whose plan asks no index have no row" },
    { name: "indices", type: "list<int32>", doc: "Keys that an index returned, rising" },
    {
      name: "ms",
      type: "float64",
      doc: "Milliseconds of the search, shared by heads of the layer",
    },
  ],
  compression: [
    { name: "run", type: "int32", doc: "Number of the run" },
    {
      name: "step",
      type: "int32",
      nullable: true,
      doc: "Number of the generated token in its run; null while text is read",
    },
    { name: "layer", type: "int32", doc: "Layer" },
    { name: "head", type: "int32", doc: "KV head" },
    { name: "method", type: "utf8", doc: "Name of the compression method" },
    { name: "tokensBefore", type: "int32", doc: "Tokens whose keys and values were held before" },
    { name: "tokensAfter", type: "int32", doc: "Tokens whose keys and values are held after" },
    { name: "bytesBefore", type: "float64", doc: "Bytes of keys and values before" },
    { name: "bytesAfter", type: "float64", doc: "Bytes of keys and values after" },
    { name: "ms", type: "float64", doc: "Milliseconds it took" },
  ],
  timing: [
    { name: "run", type: "int32", doc: "Number of the run" },
    {
      name: "step",
      type: "int32",
      nullable: true,
      doc: "Number of the generated token in its run; null for a chunk of text that was read",
    },
    { name: "phase", type: "utf8", doc: "Plans of the rows: prefill or decode" },
    {
      name: "index",
      type: "int32",
      doc: "Place in the session of the generated token, or of the chunk's first token",
    },
    { name: "tokens", type: "int32", doc: "Tokens of the chunk; 1 for a step" },
    { name: "ms", type: "float64", doc: "Milliseconds it took" },
  ],
} as const;
TRACE_TABLES satisfies Readonly<Record<string, readonly TraceColumn[]>>;

/**
 * Name of a table: `run`, `steps`, `heads`, `plans`, `retrieval`, `compression` or `timing`. Nothing in Longlens
 * compresses keys and values yet, so `compression` is written without rows.
 */
export type TraceTable = keyof typeof TRACE_TABLES;

/** Values of a column by the name of its type. */
export interface TraceValues {
  /** Text. */
  readonly utf8: string;
  /** A whole number. */
  readonly int32: number;
  /** A number. */
  readonly float64: number;
  /** Whole numbers. */
  readonly "list<int32>": Int32Array;
}

/** A column as {@link TRACE_TABLES} has it, from its description to the type of its values. */
export type TraceValue<Column> = Column extends { readonly type: keyof TraceValues }
  ? TraceValues[Column["type"]] | (Column extends { readonly nullable: true } ? null : never)
  : never;

/** A row of a table: its columns stand in {@link TRACE_TABLES}. */
export type TraceRow<Table extends TraceTable> = {
  readonly [
    Column in (typeof TRACE_TABLES)[Table][number] as Column["name"]
  ]: TraceValue<Column>;
};

/** Names of the tables; `run` comes first. */
export const TRACE_TABLE_NAMES: readonly TraceTable[] = Object.keys(TRACE_TABLES) as TraceTable[];
