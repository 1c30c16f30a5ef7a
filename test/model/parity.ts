/**
 * What exact arithmetic and llama.cpp make of the texts of `fixtures/parity`, whose `make_parity.py` describes the files, and
 * what Longlens makes of them.
 */
import type { Model } from "../../lib/engine/model.ts";
import type { Session } from "../../lib/engine/session.ts";
import { readSafetensorsHeader, type TensorEntry } from "../../lib/model/safetensors.ts";
import { nextLogits } from "../engine/tiny_model.ts";
import { fixture } from "./fixtures.ts";

/** Log-probabilities of some ids, and of all others together. */
export interface Distribution {
  /** Of the ids. */
  readonly logProbs: Float32Array;
  /** Of all others. */
  readonly rest: number;
}

/** Distributions of the token after one place of a text. */
export interface ExpectedPlace {
  /** The token of the text that it is computed from. */
  readonly place: number;
  /** The likeliest ids in exact arithmetic. */
  readonly likeliest: Int32Array;
  /** Their probabilities in exact arithmetic. */
  readonly exact: Distribution;
  /** And in llama.cpp. */
  readonly llama: Distribution;
  /** KL(exact || llama.cpp) over the whole vocabulary. */
  readonly llamaKl: number;
}

/** A text and what is known of it. */
export interface ParityText {
  /** What it is. */
  readonly name: string;
  /** The text. */
  readonly text: string;
  /** Its ids, BOS included where the model has one. */
  readonly ids: Int32Array;
  /** Where distributions are compared; the last is at its end. */
  readonly places: readonly ExpectedPlace[];
  /** Mean of -log p over all ids but the first, in exact arithmetic. */
  readonly nll: number;
  /** The same by llama.cpp. */
  readonly llamaNll: number;
  /** Greedy continuation in exact arithmetic. */
  readonly greedy: Int32Array;
  /** Greedy continuation of llama.cpp. */
  readonly llamaGreedy: Int32Array;
}

/** Activations, keys and values are f32; weights are as stored. */
export const F32 = { kv: "f32", compute: "f32" } as const;

/** The texts, with what is known of them under a model. */
export async function readParity(model: "smollm2" | "gemma3"): Promise<ParityText[]> {
  const texts: { name: string; text: string }[] = JSON.parse(
    await Deno.readTextFile(fixture("parity/texts.json")),
  );
  const stored = await Stored.read(fixture(`parity/${model}.safetensors`));
  const counts = stored.ints("counts");
  let end = 0;
  return texts.map((text, index) => {
    const first = end;
    end += counts[index]!;
    return { ...text, ...expectedOf(stored, index), ids: stored.ints("ids").slice(first, end) };
  });
}

/** Reads a text up to each of some of its places into a session; returns the logits there. */
export async function readPlaces(
  session: Session,
  { ids }: ParityText,
  places: readonly ExpectedPlace[],
): Promise<Float32Array[]> {
  const logits: Float32Array[] = [];
  for (const { place } of places) {
    await session.prefill(ids.slice(session.length, place + 1));
    logits.push(await nextLogits(session));
  }
  return logits;
}

/** Goes on greedily, for as many tokens as are known of the text that the session has read. */
export async function readGreedy(session: Session, { greedy }: ParityText): Promise<Int32Array> {
  const found = new Int32Array(greedy.length);
  for (const step of found.keys()) found[step] = (await session.step()).token;
  return found;
}

/** Mean of -log p over all ids of a text but the first. */
export async function nllOf(model: Model, ids: Int32Array): Promise<number> {
  using session = model.session();
  return -(await session.score(ids)).total / (ids.length - 1);
}

/** Perplexity of texts with these means of -log p. */
export function perplexity(texts: readonly ParityText[], nlls: readonly number[]): number {
  let [sum, tokens] = [0, 0];
  for (const [x, { ids }] of texts.entries()) {
    sum += nlls[x]! * (ids.length - 1);
    tokens += ids.length - 1;
  }
  return Math.exp(sum / tokens);
}

/** What logits say of the likeliest ids and of the rest. */
export function distributionOf(logits: Float32Array, { likeliest }: ExpectedPlace): Distribution {
  const highest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const taken = new Set(likeliest);
  let [sum, others] = [0, 0];
  for (const [id, logit] of logits.entries()) {
    const mass = Math.exp(logit - highest);
    sum += mass;
    if (!taken.has(id)) others += mass;
  }
  const logSum = highest + Math.log(sum);
  const logProbs = Float32Array.from(likeliest, (id) => logits[id]! - logSum);
  return { logProbs, rest: Math.log(others / sum) };
}

/**
 * KL(exact || found), all ids but the likeliest taken for one: at most what it is over the whole vocabulary, as joining
 * outcomes never makes it larger.
 */
export function coarseKl(exact: Distribution, found: Distribution): number {
  let kl = Math.exp(exact.rest) * (exact.rest - found.rest);
  for (const [x, logProb] of exact.logProbs.entries()) {
    kl += Math.exp(logProb) * (logProb - found.logProbs[x]!);
  }
  return kl;
}

/** Mean of numbers. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function expectedOf(stored: Stored, text: number) {
  const places = Array.from(stored.ints("places", text), (place, x) => ({
    place,
    likeliest: stored.ints("likeliest", text, x),
    exact: { logProbs: stored.floats("exact", text, x), rest: stored.floats("rest", text)[x]! },
    llama: {
      logProbs: stored.floats("llama", text, x),
      rest: stored.floats("llama_rest", text)[x]!,
    },
    llamaKl: stored.floats("llama_kl", text)[x]!,
  }));
  return {
    places,
    nll: stored.floats("nll")[text]!,
    llamaNll: stored.floats("llama_nll")[text]!,
    greedy: stored.ints("greedy", text),
    llamaGreedy: stored.ints("llama_greedy", text),
  };
}

/** Tensors of a safetensors file of I32 and F32. */
class Stored {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #tensors: ReadonlyMap<string, TensorEntry>;

  private constructor(bytes: Uint8Array<ArrayBuffer>, tensors: ReadonlyMap<string, TensorEntry>) {
    this.#bytes = bytes;
    this.#tensors = tensors;
  }

  static async read(path: string): Promise<Stored> {
    const { tensors } = await readSafetensorsHeader(path);
    return new Stored(await Deno.readFile(path), tensors);
  }

  /** All of a tensor, or the part with these outer indices. */
  ints(name: string, ...indices: number[]): Int32Array {
    return new Int32Array(this.#part(name, indices));
  }

  /** All of a tensor, or the part with these outer indices. */
  floats(name: string, ...indices: number[]): Float32Array {
    return new Float32Array(this.#part(name, indices));
  }

  #part(name: string, indices: readonly number[]): ArrayBuffer {
    const { begin, end, shape } = this.#tensors.get(name)!;
    let [first, bytes] = [begin, end - begin];
    for (const [axis, index] of indices.entries()) {
      bytes /= shape[axis]!;
      first += index * bytes;
    }
    return this.#bytes.buffer.slice(first, first + bytes);
  }
}
