/** Stored weights into a backend's memory: everything is checked before anything is opened. */
import { basename } from "node:path";
import type {
  Backend,
  OutputWeights,
  QkvWeights,
  Tensor,
  WeightDType,
  WeightFile,
} from "../../ffi/backend.ts";
import { blockElements, isBlocks } from "../../ffi/elements.ts";
import { WEIGHTS } from "../../ffi/check_core.ts";
import { CancelledError, ModelFormatError } from "../../ffi/errors.ts";
import {
  families,
  type Family,
  type LayerSlot,
  nameInLayer,
  rowsAround,
  shapeOf,
  type TensorTemplate,
} from "./families.ts";
import { type Checkpoint, readFolderCheckpoint } from "./checkpoint.ts";
import { refusal } from "../../ffi/refusal.ts";
import { unpairedRow } from "./rotary_rows.ts";
import type { LayerWeights, ModelConfig, ModelWeights } from "./types.ts";

/**
 * What matrices are kept as: f32, bf16, or quantised when they are loaded. q8 are integers of 8 bits with a scale for each 32 (GGUF's
 * Q8_0); q4 are integers of 4 bits with a scale and a minimum for each 32 (Q4_1), and q8 for the embedding and the head.
 */
export type WeightFormat = "f32" | "bf16" | "q8" | "q4";

/** Options of {@link loadWeights}. */
export interface LoadWeightsOptions {
  /** What matrices are kept as. @default as they are stored */
  weights?: WeightFormat;
  /** Stops loading; what was loaded is freed. */
  signal?: AbortSignal;
  /** Called after each tensor with the bytes of the files that are loaded and those to load. */
  onProgress?: (done: number, total: number) => void;
}

interface PlannedTensor {
  readonly name: string;
  readonly path: string;
  readonly offset: number;
  readonly fileBytes: number;
  readonly stored: WeightDType;
  readonly shape: readonly number[];
  readonly as: WeightDType;
  /** Heads whose rows are stored in pairs, `null` where rows are in order. */
  readonly pairedHeads: number | null;
  /** Added to what is stored. */
  readonly addend: number;
}

interface WeightPlan {
  readonly embed: PlannedTensor;
  readonly head: PlannedTensor;
  readonly norm: PlannedTensor;
  readonly layers: readonly Partial<Record<LayerSlot, PlannedTensor>>[];
}

/** Names of types in files. */
const STORED: ReadonlyMap<string, WeightDType> = new Map(
  WEIGHTS.map((dtype) => [dtype.toUpperCase(), dtype]),
);

/** Query and key rows are rotated; where they are stored in pairs, they are put in order. */
const ROTATED: ReadonlyMap<LayerSlot, "heads" | "kvHeads"> = new Map([
  ["wq", "heads"],
  ["bq", "heads"],
  ["wk", "kvHeads"],
  ["bk", "kvHeads"],
]);

/** Throws what {@link loadWeights} would throw about stored weights before it reads any. */
export function checkWeights(checkpoint: Checkpoint, config: ModelConfig): void {
  planWeights(checkpoint, config, undefined);
}

/** Loads stored weights, or those of the model in a folder. Whoever gets them closes them. */
export async function loadWeights(
  stored: string | Checkpoint,
  config: ModelConfig,
  backend: Backend,
  options: LoadWeightsOptions = {},
): Promise<ModelWeights> {
  const checkpoint = typeof stored === "string"
    ? await readFolderCheckpoint(stored, config)
    : stored;
  const plan = planWeights(checkpoint, config, options.weights);
  const loader = new Loader(backend, plan, options);
  try {
    await loader.load();
    return assemble(loader, plan, config);
  } catch (error) {
    loader.close();
    throw error;
  }
}

/** Opens planned tensors, each once, and owns what it opened. */
class Loader {
  readonly #backend: Backend;
  readonly #planned: ReadonlySet<PlannedTensor>;
  readonly #options: LoadWeightsOptions;
  readonly #files = new Map<string, WeightFile>();
  readonly #tensors = new Map<PlannedTensor, Tensor>();

  constructor(backend: Backend, plan: WeightPlan, options: LoadWeightsOptions) {
    const layers = plan.layers.flatMap((slots) => Object.values(slots));
    this.#backend = backend;
    this.#planned = new Set([plan.embed, ...layers, plan.norm, plan.head]);
    this.#options = options;
  }

  async load(): Promise<void> {
    const { signal, onProgress } = this.#options;
    let total = 0;
    for (const { fileBytes } of this.#planned) total += fileBytes;
    let done = 0;
    for (const planned of this.#planned) {
      if (signal?.aborted) throw cancelled(done, total, signal);
      await this.#open(planned);
      done += planned.fileBytes;
      onProgress?.(done, total);
    }
  }

  tensor(planned: PlannedTensor): Tensor {
    return this.#tensors.get(planned)!;
  }

  get sizeBytes(): number {
    let sum = 0;
    for (const tensor of this.#tensors.values()) sum += tensor.sizeBytes;
    return sum;
  }

  close(): void {
    for (const tensor of this.#tensors.values()) tensor.close();
    for (const file of this.#files.values()) file.close();
    this.#tensors.clear();
    this.#files.clear();
  }

  async #open(planned: PlannedTensor): Promise<void> {
    const { offset, stored, shape, as, addend } = planned;
    const file = await this.#file(planned.path);
    const tensor = await file.tensor(offset, stored, shape, as, orderOf(planned));
    this.#tensors.set(planned, tensor);
    if (addend === 0) return;
    const sums = tensor.read().map((value) => value + addend);
    this.#tensors.set(planned, this.#backend.tensor(shape, as, sums));
    tensor.close();
  }

  async #file(path: string): Promise<WeightFile> {
    const open = this.#files.get(path) ?? await this.#backend.openWeights(path);
    this.#files.set(path, open);
    return open;
  }
}

/** The stored row of each row, where rows are stored in pairs. */
function orderOf({ shape, pairedHeads }: PlannedTensor): Int32Array | undefined {
  if (pairedHeads === null) return undefined;
  const dim = shape[0]! / pairedHeads;
  return Int32Array.from({ length: shape[0]! }, (_, row) => unpairedRow(row, dim));
}

function planWeights(
  checkpoint: Checkpoint,
  config: ModelConfig,
  weights: WeightFormat | undefined,
): WeightPlan {
  const family = families.get(config.family)!;
  const { tensors, pairedRows, wholeNorms } = checkpoint;
  const find: Find = (names, template, slot) => ({
    ...planTensor(tensors, names, partOf(template, config), formatOf(slot, weights)),
    pairedHeads: pairedRows ? rotatedHeads(slot, config) : null,
    addend: wholeNorms || !/norm/i.test(slot) ? 0 : family.normOffset,
  });
  const { embed, head } = planEnds(family, config, find);
  const norm = find([family.norm.name], family.norm, "norm");
  const layers = Array.from(
    { length: config.layers },
    (_, layer) => planLayer(family, layer, find),
  );
  assertNoOthers(tensors, { embed, head, norm, layers }, family);
  return { embed, head, norm, layers };
}

/** Tables of the vocabulary stay finer than the layers. */
function formatOf(slot: Slot, weights: WeightFormat | undefined): WeightDType | undefined {
  if (weights === "q4") return slot === "embed" || slot === "head" ? "q8_0" : "q4_1";
  return weights === "q8" ? "q8_0" : weights;
}

type Slot = LayerSlot | "embed" | "head" | "norm";
type Find = (names: readonly string[], template: TensorTemplate, slot: Slot) => PlannedTensor;

function rotatedHeads(slot: Slot, config: ModelConfig): number | null {
  const heads = ROTATED.get(slot as LayerSlot);
  return heads === undefined ? null : config[heads];
}

/** Rows of a stored tensor: all of them, or one of several tensors that are stored as one. */
interface Part {
  readonly shape: readonly number[];
  readonly storedShape: readonly number[];
  readonly firstRow: number;
}

function partOf(template: TensorTemplate, config: ModelConfig): Part {
  const shape = shapeOf(template, config);
  const { before, after } = rowsAround(template, config);
  const [rows, ...columns] = shape;
  return { shape, storedShape: [before + rows! + after, ...columns], firstRow: before };
}

/** A tied model stores the embedding, the head or both; the embedding counts where both are there. */
function planEnds(family: Family, config: ModelConfig, find: Find) {
  const { embed, head } = family;
  if (!config.tiedEmbeddings) {
    return { embed: find([embed.name], embed, "embed"), head: find([head.name], head, "head") };
  }
  const shared = find([embed.name, head.name], embed, "embed");
  return { embed: shared, head: shared };
}

function planLayer(family: Family, layer: number, find: Find) {
  const slots: Partial<Record<LayerSlot, PlannedTensor>> = {};
  for (const [name, template] of Object.entries(family.layer)) {
    const slot = name as LayerSlot;
    slots[slot] = find([nameInLayer(template, layer)], template, slot);
  }
  return slots;
}

function planTensor(
  checkpoint: Checkpoint["tensors"],
  names: readonly string[],
  { shape, storedShape, firstRow }: Part,
  wanted: WeightDType | undefined,
): Omit<PlannedTensor, "pairedHeads" | "addend"> {
  const name = names.find((name) => checkpoint.has(name));
  if (name === undefined) throw wrong("it must be stored", names.join(" or "), undefined);
  const tensor = checkpoint.get(name)!;
  const stored = STORED.get(tensor.dtype);
  const where = `${name} of ${basename(tensor.path)}`;
  if (stored === undefined) throw wrongType(where, tensor.dtype);
  if (tensor.shape.join() !== storedShape.join()) {
    throw wrong(`the shape must be [${storedShape.join(", ")}]`, where, tensor.shape);
  }
  const as = shape.length === 1 ? "f32" : wanted ?? stored;
  assertCanBecome(where, stored, as, shape);
  const { begin, end, path } = tensor;
  const rowBytes = (end - begin) / storedShape[0]!;
  const [offset, fileBytes] = [begin + firstRow * rowBytes, shape[0]! * rowBytes];
  return { name, path, offset, fileBytes, stored, shape, as };
}

function assertCanBecome(
  where: string,
  stored: WeightDType,
  as: WeightDType,
  shape: readonly number[],
): void {
  if (as === stored || !isBlocks(as)) return;
  if (isBlocks(stored)) throw wrong(`quantised weights cannot become ${as}`, where, stored);
  const block = blockElements(as);
  if (shape.at(-1)! % block === 0) return;
  throw wrong(`rows of ${as} must be whole blocks of ${block}`, where, shape.at(-1));
}

/** A tensor nobody reads means that the configuration is not that of the weights. */
function assertNoOthers(
  checkpoint: Checkpoint["tensors"],
  plan: WeightPlan,
  family: Family,
): void {
  const known = new Set([family.embed.name, family.head.name, plan.norm.name]);
  for (const slots of plan.layers) {
    for (const { name } of Object.values(slots)) known.add(name);
  }
  for (const name of checkpoint.keys()) {
    if (known.has(name) || family.ignored.test(name)) continue;
    throw wrong(`a ${family.name} of ${plan.layers.length} layers has no such tensor`, name, name);
  }
}

function assemble(loader: Loader, plan: WeightPlan, config: ModelConfig): ModelWeights {
  return {
    embed: loader.tensor(plan.embed),
    head: loader.tensor(plan.head),
    norm: loader.tensor(plan.norm),
    layers: plan.layers.map((slots) => assembleLayer(loader, slots, config)),
    sizeBytes: loader.sizeBytes,
    close: () => loader.close(),
  };
}

function assembleLayer(
  loader: Loader,
  slots: Partial<Record<LayerSlot, PlannedTensor>>,
  { eps, activation }: ModelConfig,
): LayerWeights {
  const required = (slot: LayerSlot): Tensor => loader.tensor(slots[slot]!);
  const optional = (slot: LayerSlot): Tensor | null => slots[slot] ? required(slot) : null;
  const qkv: QkvWeights = {
    norm: required("attentionNorm"),
    eps,
    wq: required("wq"),
    wk: required("wk"),
    wv: required("wv"),
    bq: optional("bq"),
    bk: optional("bk"),
    bv: optional("bv"),
    qNorm: optional("qNorm"),
    kNorm: optional("kNorm"),
  };
  const output: OutputWeights = {
    wo: required("wo"),
    attentionPostNorm: optional("attentionPostNorm"),
    norm: required("ffnNorm"),
    eps,
    wGate: required("wGate"),
    wUp: required("wUp"),
    wDown: required("wDown"),
    ffnPostNorm: optional("ffnPostNorm"),
    activation,
  };
  return { qkv, output };
}

function cancelled(done: number, total: number, signal: AbortSignal): CancelledError {
  return new CancelledError(
    `Cannot finish loading weights as the signal was aborted: current value is ${done} of ${total} bytes`,
    { cause: signal.reason },
  );
}

function wrongType(where: string, dtype: string): ModelFormatError {
  return wrong(`the dtype must be one of ${[...STORED.keys()].join(", ")}`, where, dtype);
}

function wrong(rule: string, where: string, value: unknown): ModelFormatError {
  return refusal(ModelFormatError, `load tensor ${where}`, rule, value);
}
