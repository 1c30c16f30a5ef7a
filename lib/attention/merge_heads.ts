/** Puts together what head files say of the same heads: patterns of the prefill and modes of retrieval. */
import { refusal } from "../../ffi/refusal.ts";
import type {
  HeadFile,
  HeadFileLayer,
  HeadScores,
  HeadSource,
  KvHeadEntry,
  QueryHeadEntry,
} from "./head_file.ts";

/** A head, for errors. */
interface Place {
  readonly layer: number;
  readonly head: number;
}

/**
 * One head file of two that each say something of the same model.
 *
 * @throws {RangeError} when they are of two models, or both say something of a head and not the same
 */
export function mergeHeadFiles(one: HeadFile, other: HeadFile): HeadFile {
  const fields = ["name", "layers", "heads", "kvHeads"] as const;
  for (const field of fields) {
    const [wanted, found] = [one.model[field], other.model[field]];
    if (wanted !== found) throw differing(`${field} of the model must be ${wanted}`, found);
  }
  return {
    model: one.model,
    obtained: merged(one.obtained, other.obtained),
    layers: one.layers.map((layer, l) => mergedLayer(layer, other.layers[l]!, l)),
  };
}

function merged(one: readonly HeadSource[], other: readonly HeadSource[]): HeadSource[] {
  const known = new Set(one.map((source) => JSON.stringify(source)));
  return [...one, ...other.filter((source) => !known.has(JSON.stringify(source)))];
}

function mergedLayer(one: HeadFileLayer, other: HeadFileLayer, layer: number): HeadFileLayer {
  return {
    queryHeads: one.queryHeads.map((entry, head) =>
      mergedHead(entry, other.queryHeads[head]!, { layer, head })
    ),
    kvHeads: one.kvHeads.length === 0 ? other.kvHeads : one.kvHeads.map((entry, head) => {
      const also = other.kvHeads[head];
      return also ? mergedEntry(entry, also, { layer, head }) : entry;
    }),
  };
}

function mergedHead(one: QueryHeadEntry, other: QueryHeadEntry, place: Place): QueryHeadEntry {
  const retrieval = agreed("a mode", one.retrieval ?? null, other.retrieval ?? null, place);
  const [candidates, others] = [one, other].map((entry) => entry.candidates);
  return {
    ...mergedEntry(one, other, place),
    pattern: agreed("a pattern", one.pattern, other.pattern, place),
    ...(retrieval === null ? {} : { retrieval }),
    candidates: agreed("candidates", someOf(candidates!), someOf(others!), place) ?? [],
  };
}

function mergedEntry(one: KvHeadEntry, other: KvHeadEntry, place: Place): KvHeadEntry {
  return {
    type: agreed("a type", one.type, other.type, place),
    scores: mergedScores(one.scores, other.scores, place),
  };
}

function mergedScores(one: HeadScores, other: HeadScores, place: Place): HeadScores {
  for (const [name, value] of Object.entries(other)) {
    agreed(`a score ${name}`, one[name] ?? null, value, place);
  }
  return { ...one, ...other };
}

function someOf<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}

/** What one of two says, or both. */
function agreed<T>(what: string, one: T | null, other: T | null, { layer, head }: Place): T | null {
  if (one === null || other === null) return one ?? other;
  const [wanted, found] = [JSON.stringify(one), JSON.stringify(other)];
  if (wanted === found) return one;
  throw differing(
    `only one may give layer ${layer}, head ${head} ${what}, or both the same, as ${short(wanted)}`,
    short(found),
  );
}

function short(json: string): string {
  return json.length > 100 ? `${json.slice(0, 100)}...` : json;
}

function differing(rule: string, found: unknown): RangeError {
  return refusal(RangeError, "merge head files", rule, found);
}
