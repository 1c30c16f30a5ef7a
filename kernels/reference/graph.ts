/** Graphs over keys: RoarGraph (Chen et al. 2024), with distances between keys in L2 and the lists of a pivot merged. */
import { GraphLinks, type NodeKeys } from "./graph_links.ts";
import type { Steps } from "./steps.ts";

const NO_NODE = 0xFFFFFFFF;
const LEAST_BATCH = 16;
const LARGEST_BATCH = 1024;
const BATCH_SHARE = 8;

/** A graph that is made or extended. */
export interface GrowingGraph {
  /** `[nodes, degree]`, NO_NODE behind the last of a node; written. */
  readonly neighbours: Uint32Array;
  /** Most links of a node. */
  readonly degree: number;
  /** Nodes at which searches begin, -1 behind the last; written. */
  readonly entries: Int32Array;
  /** Nodes that are linked already. */
  readonly built: number;
  /** Width of the search for each new node. */
  readonly width: number;
}

/** Lists of nodes near to sampled queries, `[count, length]`, -1 behind the last of a list. */
export interface NodeLists {
  /** Node numbers. */
  readonly nodes: Int32Array;
  /** Nodes of a list. */
  readonly length: number;
}

/** Makes or extends a graph. */
export function* extendGraph(keys: NodeKeys, graph: GrowingGraph, lists: NodeLists): Steps {
  const { neighbours, degree, built, width } = graph;
  const links = new GraphLinks(keys, degree);
  for (let x = 0; x < built; x++) {
    links.of[x] = linksIn(neighbours.subarray(x * degree, (x + 1) * degree));
  }
  project(links, lists);
  yield* insert(links, findEntries(links, graph.entries.length), built, width);
  const entries = findEntries(links, graph.entries.length);
  yield* repair(links, entries, width);
  neighbours.fill(NO_NODE);
  for (const [x, nodes] of links.of.entries()) neighbours.set(nodes, x * degree);
  graph.entries.fill(-1);
  graph.entries.set(entries);
}

/** The links of a row of neighbours. */
export function linksIn(row: Uint32Array): number[] {
  const end = row.indexOf(NO_NODE);
  return [...end < 0 ? row : row.subarray(0, end)];
}

/** Links the first node of each list, its pivot, to the others, and these to it: half of a node's links are for this. */
function project(links: GraphLinks, { nodes, length }: NodeLists): void {
  const most = Math.floor(links.degree / 2);
  const both = new Map<number, number[]>();
  for (const [pivot, pool] of poolsOfPivots(nodes, length)) {
    for (const node of links.prune(links.sort(pivot, pool), most, true)) {
      append(both, pivot, node);
      append(both, node, pivot);
    }
  }
  for (const [x, near] of both) links.add(x, links.prune(links.sort(x, near), most, true));
}

/** The other nodes of all lists of each pivot. */
function poolsOfPivots(nodes: Int32Array, length: number): Map<number, number[]> {
  const pools = new Map<number, number[]>();
  for (let first = 0; first < nodes.length; first += length) {
    const [pivot = -1, ...others] = nodes.subarray(first, first + length);
    if (pivot < 0) continue;
    const end = others.indexOf(-1);
    for (const node of end < 0 ? others : others.slice(0, end)) append(pools, pivot, node);
  }
  return pools;
}

/** Links each new node to what it finds and back, in batches whose nodes do not see each other. */
function* insert(
  links: GraphLinks,
  entries: readonly number[],
  built: number,
  width: number,
): Steps {
  for (let next = built; next < links.of.length;) {
    const share = Math.min(LARGEST_BATCH, Math.floor(next / BATCH_SHARE));
    const end = Math.min(links.of.length, next + Math.max(LEAST_BATCH, share));
    const found = new Map<number, number[]>();
    for (; next < end; next++) {
      found.set(next, findNear(links, entries, next, width));
      yield;
    }
    const sources = new Map<number, number[]>();
    for (const [x, nodes] of found) {
      links.add(x, nodes);
      for (const node of nodes) append(sources, node, x);
    }
    for (const [node, from] of sources) links.add(node, from);
  }
}

function findNear(
  links: GraphLinks,
  entries: readonly number[],
  x: number,
  width: number,
): number[] {
  const known = links.of[x]!;
  const near = links.near(x, entries, width);
  const others = near.filter(({ node }) => node !== x && !known.includes(node));
  return links.prune(others, Math.floor(links.degree / 2), false);
}

/** The nodes that most nodes are linked to. */
function findEntries(links: GraphLinks, count: number): number[] {
  const linked = new Int32Array(links.of.length);
  for (const node of links.of.flat()) linked[node]!++;
  const order = Array.from(linked.keys()).sort((a, b) => linked[b]! - linked[a]! || a - b);
  return order.slice(0, count);
}

/** Links nodes that the entries do not lead to from the nearest that has room, or a link to spare. */
function* repair(links: GraphLinks, entries: readonly number[], width: number): Steps {
  const parents = new Map<number, number>(entries.map((entry) => [entry, entry]));
  spread(links, parents, [...entries]);
  for (const x of links.of.keys()) {
    if (parents.has(x)) continue;
    const near = links.near(x, entries, width).map(({ node }) => node);
    const source = near.concat([...parents.keys()]).find((y) => spare(links, y, parents) >= 0)!;
    links.of[source]![spare(links, source, parents)] = x;
    parents.set(x, source);
    spread(links, parents, [x]);
    yield;
  }
}

/** Enters all nodes that the nodes of `queue` lead to, each with the one it was reached from. */
function spread(links: GraphLinks, parents: Map<number, number>, queue: number[]): void {
  for (const x of queue) {
    for (const node of links.of[x]!) {
      if (parents.has(node)) continue;
      parents.set(node, x);
      queue.push(node);
    }
  }
}

/** The place behind the last link of x, or of the last link that its node was not reached by; -1: neither. */
function spare(links: GraphLinks, x: number, parents: ReadonlyMap<number, number>): number {
  const own = links.of[x]!;
  if (own.length < links.degree) return own.length;
  return own.findLastIndex((node) => parents.get(node) !== x);
}

function append(lists: Map<number, number[]>, key: number, value: number): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
