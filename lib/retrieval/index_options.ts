/** Kinds of indexes and their options, as data. */

/** Scores every key: always right, and the measure of all others. */
export interface ExactIndexOptions {
  /** Kind. */
  readonly kind: "exact";
}

/** A graph whose edges follow queries (RetrievalAttention; RoarGraph, Chen et al. 2024). */
export interface GraphIndexOptions {
  /** Kind. */
  readonly kind: "graph";
  /**
   * Most neighbours of a key.
   * @default 32
   */
  readonly degree?: number;
  /**
   * Keys that a search keeps (`ef`): more find more and scan more.
   * @default 250
   */
  readonly width?: number;
  /**
   * Keys that the search for each key's own place expands; four times as many may be linked to it.
   * @default 50
   */
  readonly buildWidth?: number;
  /**
   * Sampled queries over keys: how many of them link keys, for each graph.
   * @default 0.24
   */
  readonly queryShare?: number;
  /**
   * Share of the keys, and of appended ones, that link keys as if they were queries: what a question wants that nothing in the text has asked is found by
   * these. As many products as the dense attention of one query head.
   * @default 1
   */
  readonly keyShare?: number;
  /**
   * Nearest keys of a query, or of a key as a query, that are linked.
   * @default 64
   */
  readonly listLength?: number;
  /**
   * One graph for each query head instead of one for all heads of a KV head: more memory, and no shared search.
   * @default false
   */
  readonly perQueryHead?: boolean;
}

/** Spherical k-means; the clusters nearest to a query are opened (RetroInfer, Chen et al. 2025). */
export interface ClusterIndexOptions {
  /** Kind. */
  readonly kind: "clusters";
  /**
   * Keys of a cluster, on average.
   * @default 16
   */
  readonly clusterKeys?: number;
  /**
   * Share of the keys that are scored.
   * @default 0.08
   */
  readonly share?: number;
  /**
   * Passes of k-means.
   * @default 4
   */
  readonly iterations?: number;
}

/** All keys scored in 4 bits, the best of them exactly. */
export interface Flat4IndexOptions {
  /** Kind. */
  readonly kind: "flat4";
  /**
   * Keys that are scored exactly, over those that are returned.
   * @default 3
   */
  readonly candidates?: number;
}

/** Channelwise bounds of pages of keys (Quest, Tang et al. 2024). */
export interface PageIndexOptions {
  /** Kind. */
  readonly kind: "pages";
  /**
   * Keys of a page.
   * @default 16
   */
  readonly page?: number;
  /**
   * Share of the keys that are scored.
   * @default 0.12
   */
  readonly share?: number;
}

/** Mean keys of blocks (InfLLM, Xiao et al. 2024, with means instead of chosen keys). */
export interface BlockIndexOptions {
  /** Kind. */
  readonly kind: "blocks";
  /**
   * Keys of a block.
   * @default 32
   */
  readonly block?: number;
  /**
   * Share of the keys that are scored.
   * @default 0.12
   */
  readonly share?: number;
}

/** `npm:hnswlib-node`, a graph that knows nothing of queries: what one would take off the shelf. */
export interface HnswIndexOptions {
  /** Kind. */
  readonly kind: "hnsw";
  /**
   * Neighbours of a key.
   * @default 16
   */
  readonly degree?: number;
  /**
   * Keys that a search keeps (`ef`).
   * @default 400
   */
  readonly width?: number;
  /**
   * Keys that the search for each key's own place keeps.
   * @default 200
   */
  readonly buildWidth?: number;
}

/** The index that answers fastest by measurement when it is built: exact, flat4 or graph. */
export interface AutoIndexOptions {
  /** Kind. */
  readonly kind: "auto";
}

/** Kind of an index, and how it is made and searched. */
export type IndexOptions =
  | ExactIndexOptions
  | GraphIndexOptions
  | ClusterIndexOptions
  | Flat4IndexOptions
  | PageIndexOptions
  | BlockIndexOptions
  | HnswIndexOptions
  | AutoIndexOptions;

/** Kinds of indexes. */
export type IndexKind = IndexOptions["kind"];

/** Least and largest value of an option, its default, and whether it is a whole number. */
type Rule = readonly [fallback: number, least: number, largest: number, whole: boolean];

const COUNT = 2 ** 20;
const RULES: Readonly<Record<IndexKind, Readonly<Record<string, Rule | boolean>>>> = {
  exact: {},
  graph: {
    degree: [32, 2, 256, true],
    width: [250, 1, COUNT, true],
    buildWidth: [50, 1, COUNT, true],
    queryShare: [0.24, 0, 16, false],
    keyShare: [1, 0, 1, false],
    listLength: [64, 2, 1024, true],
    perQueryHead: false,
  },
  clusters: {
    clusterKeys: [16, 1, COUNT, true],
    share: [0.08, 0, 1, false],
    iterations: [4, 0, 1000, true],
  },
  flat4: { candidates: [3, 1, COUNT, false] },
  pages: { page: [16, 1, COUNT, true], share: [0.12, 0, 1, false] },
  blocks: { block: [32, 1, COUNT, true], share: [0.12, 0, 1, false] },
  hnsw: {
    degree: [16, 2, 256, true],
    width: [400, 1, COUNT, true],
    buildWidth: [200, 1, COUNT, true],
  },
  auto: {},
};

/** Kinds of indexes. */
export const INDEX_KINDS: readonly IndexKind[] = Object.keys(RULES) as IndexKind[];

/** Options of one kind with all defaults filled in. */
export type Filled<Kind extends IndexKind> = Required<Extract<IndexOptions, { kind: Kind }>>;

/**
 * The options with defaults filled in.
 *
 * @param action what cannot be done where they are refused
 * @throws {RangeError} when the kind or an option is unknown, or a value out of range
 */
export function indexOptions<Kind extends IndexKind>(
  action: string,
  options: Kind | Extract<IndexOptions, { kind: Kind }>,
): Filled<Kind> {
  const given = typeof options === "string" ? { kind: options } : options;
  const { kind } = given;
  if (!Object.hasOwn(RULES, kind)) throw refused(action, `index must be of ${INDEX_KINDS}`, kind);
  const rules = RULES[kind];
  const unknown = Object.keys(given).find((key) => key !== "kind" && !Object.hasOwn(rules, key));
  if (unknown !== undefined) {
    throw refused(action, `options of index ${kind} must be of ${Object.keys(rules)}`, unknown);
  }
  const values = given as unknown as Readonly<Record<string, unknown>>;
  const filled = Object.entries(rules).map(([name, rule]) => {
    const value = values[name] ?? (typeof rule === "boolean" ? rule : rule[0]);
    check(action, name, value, rule);
    return [name, value];
  });
  return { kind, ...Object.fromEntries(filled) };
}

/** Options as one word for each that is not the default: `graph width=400`. */
export function indexName(options: IndexOptions): string {
  const rules = RULES[options.kind];
  const others = Object.entries(options).filter(([name, value]) => {
    const rule = rules[name];
    return name !== "kind" && value !== (typeof rule === "object" ? rule[0] : rule);
  });
  return [options.kind, ...others.map(([name, value]) => `${name}=${value}`)].join(" ");
}

function check(action: string, name: string, value: unknown, rule: Rule | boolean): void {
  if (typeof rule === "boolean") {
    if (typeof value === "boolean") return;
    throw refused(action, `${name} must be true or false`, value);
  }
  const [, least, largest, whole] = rule;
  const isRight = whole ? Number.isSafeInteger(value) : Number.isFinite(value);
  if (isRight && Number(value) >= least && Number(value) <= largest) return;
  throw refused(
    action,
    `${name} must be ${whole ? "a whole number " : ""}of ${least} to ${largest}`,
    value,
  );
}

function refused(action: string, requirement: string, current: unknown): RangeError {
  return new RangeError(`Cannot ${action} as ${requirement}: current value is ${current}`);
}
