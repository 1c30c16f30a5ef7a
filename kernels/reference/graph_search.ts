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

/**
 * Expands the best node among the best `width` that is not expanded yet, and scores those of its neighbours that were not met
 * before, until there is none.
 */
export function bestFirst(
  neighboursOf: (node: number) => Iterable<number>,
  entries: Iterable<number>,
  width: number,
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
    best = best.slice(0, width);
  };
  add(entries);
  for (let next; (next = best.find(({ node }) => !expanded.has(node)));) {
    expanded.add(next.node);
    add(neighboursOf(next.node));
  }
  return { best, scanned: met.size };
}
