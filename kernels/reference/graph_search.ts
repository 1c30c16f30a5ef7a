/** Best-first search of a graph over keys. */

/** How good a node is. */
export type ScoreOf = (node: number) => number;

/** A node that was scored. */
export interface ScoredNode {
  /** The node. */
  readonly node: number;
  /** How good it is. */
  readonly score: number;
}

/** What a search found. */
export interface BestNodes {
  /** The best nodes, falling scores, equal ones by lower number. */
  readonly best: readonly ScoredNode[];
  /** How many nodes were scored. */
  readonly scanned: number;
}

/** How far a search goes. */
export interface SearchEffort {
  /** Nodes, the best ones, that it expands. */
  readonly width: number;
  /** Nodes, the best ones, that it tells, at least `width`. */
  readonly kept: number;
}

/**
 * Expands the best node among the best `width` that is not expanded yet, and scores those of its neighbours that were not met
 * before, until there is none.
 */
export function bestFirst(
  neighboursOf: (node: number) => Iterable<number>,
  entries: Iterable<number>,
  { width, kept }: SearchEffort,
  scoreOf: ScoreOf,
): BestNodes {
  const met = new Set<number>();
  const expanded = new Set<number>();
  let best: ScoredNode[] = [];
  const add = (nodes: Iterable<number>) => {
    const fresh = [...new Set(nodes)].filter((node) => !met.has(node));
    for (const node of fresh) met.add(node);
    best = [...best, ...fresh.map((node) => ({ node, score: scoreOf(node) }))];
    best.sort((a, b) => b.score - a.score || a.node - b.node);
    best = best.slice(0, kept);
  };
  add(entries);
  const nextOf = () => best.slice(0, width).find(({ node }) => !expanded.has(node));
  for (let next; (next = nextOf());) {
    expanded.add(next.node);
    add(neighboursOf(next.node));
  }
  return { best, scanned: met.size };
}
