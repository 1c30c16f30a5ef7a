/**
 * The links of a graph over keys, and which of them are worth keeping.
 *
 * Keys x and y are `gap(x, y) = |x|^2 / 2 + |y|^2 / 2 - x . y` apart, half their squared distance. A link from x to u is hidden
 * by a link from x to w that is nearer to u than x is: from w a search gets to u.
 */
import { bestFirst, type ScoredNode } from "./graph_search.ts";
import { dot } from "./linear.ts";

/** Keys that a graph links. */
export interface NodeKeys {
  /** `[nodes, dim]` */
  readonly rows: Float32Array;
  /** Head dimension. */
  readonly dim: number;
}

/** A node and its gap from another one. */
export interface NearNode {
  /** The node. */
  readonly node: number;
  /** The gap. */
  readonly gap: number;
}

/** Links of nodes, at most `degree` of each. */
export class GraphLinks {
  /** Links of each node. */
  readonly of: number[][];
  /** By whose link a node is reached, where that is known: such a link is never given up. */
  readonly parents = new Map<number, number>();
  readonly #keys: NodeKeys;
  readonly #half: Float64Array;

  /** No links, between `keys`. */
  constructor(keys: NodeKeys, readonly degree: number) {
    const { rows, dim } = keys;
    this.#keys = keys;
    this.#half = Float64Array.from(
      { length: rows.length / dim },
      (_, x) => dot(rows, x * dim, rows, x * dim, dim) / 2,
    );
    this.of = Array.from(this.#half, () => []);
  }

  /** The gap between two nodes. */
  gap(x: number, y: number): number {
    const { rows, dim } = this.#keys;
    return this.#half[x]! + this.#half[y]! - dot(rows, x * dim, rows, y * dim, dim);
  }

  /** Nodes other than x by rising gap from x, each once. */
  sort(x: number, nodes: readonly number[]): NearNode[] {
    return [...new Set(nodes)].filter((node) => node !== x)
      .map((node) => ({ node, gap: this.gap(x, node) }))
      .sort((a, b) => a.gap - b.gap || a.node - b.node);
  }

  /**
   * The `owed` nodes and those that no kept one before them hides, at most `most`; where it fills, the nearest hidden ones
   * behind them, and all in their order where they are no more than that.
   */
  prune(
    sorted: readonly NearNode[],
    most: number,
    fills: boolean,
    owed: readonly number[] = [],
  ): number[] {
    const kept = [...owed];
    if (fills && owed.length + sorted.length <= most) return kept.concat(nodesOf(sorted));
    const hidden: number[] = [];
    for (const { node, gap } of sorted) {
      if (kept.length === most) break;
      const isHidden = kept.some((other) => this.gap(node, other) < gap);
      (isHidden ? hidden : kept).push(node);
    }
    return fills ? kept.concat(hidden).slice(0, most) : kept;
  }

  /** Adds links, in their order; where they are too many for x, those are kept that `prune` keeps beside the owed ones. */
  add(x: number, nodes: readonly number[]): void {
    const links = this.of[x]!;
    const all = [...links, ...nodes.filter((node) => node !== x && !links.includes(node))];
    const owed = links.filter((node) => this.parents.get(node) === x);
    const others = all.filter((node) => !owed.includes(node));
    this.of[x] = all.length <= this.degree
      ? all
      : this.prune(this.sort(x, others), this.degree, true, owed);
  }

  /** What a search `width` wide finds near x, at most `kept` nodes by rising gap. */
  near(x: number, entries: readonly number[], width: number, kept = width): NearNode[] {
    const scoreOf = (y: number) => -this.gap(x, y);
    const { best } = bestFirst((node) => this.of[node]!, entries, { width, kept }, scoreOf);
    return best.map(({ node, score }: ScoredNode) => ({ node, gap: -score }));
  }
}

function nodesOf(near: readonly NearNode[]): number[] {
  return near.map(({ node }) => node);
}
