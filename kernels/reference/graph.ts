/** Graphs over keys: RoarGraph (Chen et al. 2024), with distances between keys in L2 and the lists of a pivot merged. */
import { GraphLinks, type NodeKeys } from "./graph_links.ts";
import type { Steps } from "./steps.ts";

const NO_NODE = 0xFFFFFFFF;
const LEAST_BATCH = 16;
const LARGEST_BATCH = 1024;
const BATCH_SHARE = 8;
const CANDIDATES = 4;
/** Links of a pivot to the keys of its lists, of a node by projection, of a new node: of all links. */
const SHARES = { ofPivot: 3 / 8, projected: 3 / 4, inserted: 1 / 16 };

/** A graph that is made or extended. */
export interface GrowingGraph {
  /** `[nodes, degree]`, NO_NODE behind the last of a node; written. */
  readonly neighbours: Uint32Array;
  /** Most links of a node. */
  readonly degree: number;
  /** By whose link a node is reached from the entries, `[nodes]`; written. */
  readonly parents: Uint32Array;
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

/** Makes or extends a graph. When it is extended its entries stay, and so do the links by which its nodes are reached. */
export function* extendGraph(keys: NodeKeys, graph: GrowingGraph, lists: NodeLists): Steps {
  const { neighbours, degree, built, width } = graph;
  const links = new GraphLinks(keys, degree);
  const stays = built > 0 && !graph.entries.includes(-1);
  for (let x = 0; x < built; x++) {
    links.of[x] = linksIn(neighbours.subarray(x * degree, (x + 1) * degree));
    if (stays) links.parents.set(x, graph.parents[x]!);
  }
  const entries = () => stays ? [...graph.entries] : findEntries(links, graph.entries.length);
  project(links, lists);
  yield* insert(links, entries(), built, width);
  const last = entries();
  yield* repair(links, last, width);
  neighbours.fill(NO_NODE);
  for (const [x, nodes] of links.of.entries()) neighbours.set(nodes, x * degree);
  for (const [x, parent] of links.parents) graph.parents[x] = parent;
  graph.entries.fill(-1);
  graph.entries.set(last);
}

/** The links of a row of neighbours. */
export function linksIn(row: Uint32Array): number[] {
  const end = row.indexOf(NO_NODE);
  return [...end < 0 ? row : row.subarray(0, end)];
}

/** Links the first node of each list, its pivot, to the others, and these to it. */
function project(links: GraphLinks, { nodes, length }: NodeLists): void {
  const both = new Map<number, number[]>();
  for (const [pivot, pool] of poolsOfPivots(nodes, length)) {
    for (const node of links.prune(links.sort(pivot, pool), most(links, "ofPivot"), true)) {
      append(both, pivot, node);
      append(both, node, pivot);
    }
  }
  for (const [x, near] of both) {
    links.add(x, links.prune(links.sort(x, near), most(links, "projected"), true));
  }
}

function most({ degree }: GraphLinks, kind: keyof typeof SHARES): number {
  return Math.max(1, Math.floor(degree * SHARES[kind]));
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
  const near = links.near(x, entries, width, CANDIDATES * width);
  const others = near.filter(({ node }) => node !== x && !known.includes(node));
  const fewest = Math.floor(links.degree / 2) - known.length;
  return links.prune(others, Math.max(most(links, "inserted"), fewest), false);
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
  const { parents } = links;
  for (const entry of entries) enter(links, entry, entry);
  for (const [x, own] of links.of.entries()) {
    const back = own.find((node) => parents.has(node) && links.of[node]!.includes(x));
    if (back !== undefined) enter(links, x, back);
  }
  for (const x of links.of.keys()) {
    if (parents.has(x)) continue;
    const near = links.near(x, entries, width).map(({ node }) => node);
    const source = near.concat([...links.of.keys()])
      .find((y) => parents.has(y) && spare(links, y) >= 0)!;
    links.of[source]![spare(links, source)] = x;
    enter(links, x, source);
    yield;
  }
}

/** Enters a node, and all that it leads to, each with the one it was reached from. */
function enter({ of, parents }: GraphLinks, node: number, parent: number): void {
  if (parents.has(node)) return;
  parents.set(node, parent);
  const queue = [node];
  for (const x of queue) {
    for (const next of of[x]!) {
      if (parents.has(next)) continue;
      parents.set(next, x);
      queue.push(next);
    }
  }
}

/** The place behind the last link of x, or of the last link that its node was not reached by; -1: neither. */
function spare({ of, parents, degree }: GraphLinks, x: number): number {
  const own = of[x]!;
  if (own.length < degree) return own.length;
  return own.findLastIndex((node) => parents.get(node) !== x);
}

function append(lists: Map<number, number[]>, key: number, value: number): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
