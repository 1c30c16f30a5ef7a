import { createHash } from "node:crypto";
import type { OutputWeights, QkvWeights, RunControl, Tensor } from "../../../ffi/backend.ts";
import type { ModelWeights, Tokenizer } from "../../model/types.ts";
import { breathe } from "../breathe.ts";
import type { SessionModel } from "../session_types.ts";

/** What tells models apart: the same for every load of the same files, whatever the backend. */
export interface Fingerprint {
  /** Shapes and constants. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Digest of the vocabulary, and of how a sample is cut into tokens. */
  readonly tokenizer: string;
  /** Digest of rows of every weight matrix, and of all other weights. */
  readonly weights: string;
}

/**
 * Rows that are read of a matrix. Training, merging and rounding change every matrix they touch in nearly all rows
 * (and so does an update of rank one): rows spread over it tell, and gigabytes need not be read.
 */
const SAMPLED_ROWS = 16;
const TOKENS_AT_ONCE = 4096;
const SAMPLE =
  "The quick brown fox: 12,345.6 km² — naïve café, 東京 🙂\n\tif (x >= 10) { y++; }\r\n";

const digests = new WeakMap<object, string>();

/** The fingerprint of a model. Its parts are digested once while they are loaded. */
export async function fingerprintOf(
  { config, tokenizer, weights }: SessionModel,
  control: RunControl,
): Promise<Fingerprint> {
  return {
    config: JSON.parse(JSON.stringify(config)),
    tokenizer: await once(tokenizer, () => digestTokenizer(tokenizer, control)),
    weights: await once(weights, () => digestWeights(weights, control)),
  };
}

async function once(part: object, digest: () => Promise<string>): Promise<string> {
  const known = digests.get(part) ?? await digest();
  digests.set(part, known);
  return known;
}

async function digestTokenizer(tokenizer: Tokenizer, control: RunControl): Promise<string> {
  const { vocabSize, bosId } = tokenizer;
  const hash = createHash("sha256");
  hash.update(JSON.stringify([vocabSize, bosId, [...tokenizer.encode(SAMPLE, { bos: true })]]));
  for (let first = 0; first < vocabSize; first += TOKENS_AT_ONCE) {
    await breathe(control);
    const length = Math.min(TOKENS_AT_ONCE, vocabSize - first);
    hash.update(JSON.stringify(Array.from({ length }, (_, x) => tokenizer.token(first + x))));
  }
  return hash.digest("hex");
}

async function digestWeights(weights: ModelWeights, control: RunControl): Promise<string> {
  const hash = createHash("sha256");
  for (const [name, tensor] of namedTensors(weights)) {
    await breathe(control);
    hash.update(JSON.stringify([name, tensor.shape]));
    for (const rows of sampledRows(tensor)) hash.update(new Uint8Array(rows.buffer));
  }
  return hash.digest("hex");
}

function* namedTensors({ embed, head, norm, layers }: ModelWeights): Generator<[string, Tensor]> {
  yield* [["embed", embed], ["head", head], ["norm", norm]] as [string, Tensor][];
  for (const [layer, { qkv, output }] of layers.entries()) {
    yield* tensorsOf(`${layer}.qkv`, qkv);
    yield* tensorsOf(`${layer}.output`, output);
  }
}

function* tensorsOf(
  prefix: string,
  parts: QkvWeights | OutputWeights,
): Generator<[string, Tensor]> {
  for (const [name, part] of Object.entries(parts)) {
    if (typeof part === "object" && part !== null) yield [`${prefix}.${name}`, part];
  }
}

/** All of a vector or a small matrix; else rows at equal distances, first and last among them. */
function* sampledRows(tensor: Tensor): Generator<Float32Array> {
  const rows = tensor.shape[0]!;
  if (tensor.shape.length === 1 || rows <= SAMPLED_ROWS) return yield tensor.read();
  for (let sample = 0; sample < SAMPLED_ROWS; sample++) {
    yield tensor.rows(Math.floor(sample * (rows - 1) / (SAMPLED_ROWS - 1)), 1).read();
  }
}
