import type { Awaitable, Backend, KvView, RunControl, Tensor } from "../../ffi/backend.ts";
import { askedKeys, keysToFind } from "./asking_rows.ts";
import { savedArray } from "./check_saved.ts";
import { emptyPlace, GrowingIndex, type IndexPlace, savedPlace } from "./growing_index.ts";
import type { Filled } from "./index_options.ts";
import { boundedMass, type KeyRuns, openRuns } from "./key_runs.ts";
import type {
  IndexAnswer,
  IndexQuery,
  IndexSource,
  IndexStats,
  KvIndex,
  SavedIndex,
} from "./kv_index.ts";
import { RunTensors } from "./run_tensors.ts";
import { upTo } from "./up_to.ts";

type RunOptions = Filled<"pages"> | Filled<"blocks">;

/** What is kept of each run of keys, and how runs are ranked by it. */
interface Summary {
  /** Names of the tensors that it takes. */
  readonly tensors: readonly string[];
  /** Whether scores are bounds of `q . k`. */
  readonly bounds: boolean;
  /** Fills the rows of some runs, from key `start` to the view's end. */
  write(
    kv: KvView,
    start: number,
    block: number,
    out: Tensor[],
    control?: RunControl,
  ): Awaitable<void>;
  /** Scores of all runs, `[heads, blocks]`. */
  scores(query: IndexQuery, runs: Tensor[], control?: RunControl): Awaitable<Float32Array>;
}

/** The index that was saved. One of a file of before, which has no arrays, is built again from the keys. */
export async function loadRuns(
  backend: Backend,
  options: RunOptions,
  saved: SavedIndex,
  kv: KvView,
  control?: RunControl,
): Promise<KvIndex> {
  const summary = options.kind === "pages" ? boundsOf(backend) : meansOf(backend);
  const { start, end, arrays } = saved;
  if (Object.keys(arrays).length === 0) {
    const index = new RunIndex(backend, options, emptyPlace(saved), summary, null);
    return await index.build(kv, end, control);
  }
  const blocks = Math.ceil((end - start) / blockOf(options));
  const { kvHeads, spec: { dim } } = kv.table;
  const values = summary.tensors.map((name) => {
    return savedArray(saved, name, Float32Array<ArrayBuffer>, (length) => {
      return length === blocks * kvHeads * dim;
    });
  });
  const runs = new RunTensors(backend, kv, values.length, blocks);
  runs.rows(0, blocks).forEach((tensor, i) => tensor.write(values[i]!));
  return new RunIndex(backend, options, savedPlace(saved), summary, runs);
}

/** The index of pages, by channelwise bounds of their keys (Quest, Tang et al. 2024, arXiv 2406.10774). */
export function buildPages(
  backend: Backend,
  options: Filled<"pages">,
  source: IndexSource,
  control?: RunControl,
): Promise<KvIndex> {
  return build(backend, options, boundsOf(backend), source, control);
}

/** The index of blocks, by their mean keys. */
export function buildBlocks(
  backend: Backend,
  options: Filled<"blocks">,
  source: IndexSource,
  control?: RunControl,
): Promise<KvIndex> {
  return build(backend, options, meansOf(backend), source, control);
}

function build(
  backend: Backend,
  options: RunOptions,
  summary: Summary,
  source: IndexSource,
  control: RunControl | undefined,
): Promise<KvIndex> {
  const index = new RunIndex(backend, options, emptyPlace(source), summary, null);
  return index.build(source.kv, source.end, control);
}

class RunIndex extends GrowingIndex<RunOptions> {
  readonly #backend: Backend;
  readonly #summary: Summary;
  #runs: RunTensors | null;

  constructor(
    backend: Backend,
    options: RunOptions,
    place: IndexPlace,
    summary: Summary,
    runs: RunTensors | null,
  ) {
    super(options, place);
    this.#backend = backend;
    this.#summary = summary;
    this.#runs = runs;
  }

  /** None but those of tensors. */
  protected get arrays() {
    return {};
  }

  async search(query: IndexQuery, control?: RunControl): Promise<IndexAnswer> {
    const runs = this.#keyRuns(this.end);
    const blocks = Math.ceil(this.nodes / runs.block);
    const scores = blocks === 0
      ? new Float32Array()
      : await this.#summary.scores(query, this.#runs!.rows(0, blocks), control);
    const wanted = { ...query, topK: keysToFind(query, this.end) };
    const answer = await openRuns(this.#backend, wanted, runs, scores, control);
    const { heads: { length }, scale, wantsMass } = query;
    const tells = wantsMass && this.#summary.bounds;
    const found = askedKeys(query, answer.found);
    return { ...answer, found, mass: tells ? boundedMass(scores, length, scale, runs) : null };
  }

  override stats(): IndexStats {
    return { ...super.stats(), bytes: this.#runs?.sizeBytes ?? 0 };
  }

  /** It as data. In int8 keys may have been rounded once more since they were summed up: built again it would be another. */
  override save(): SavedIndex {
    const blocks = Math.ceil(this.nodes / blockOf(this.options));
    const tensors = blocks === 0 ? [] : this.#runs!.rows(0, blocks);
    const arrays = tensors.map((tensor, i) => {
      return [this.#summary.tensors[i]!, tensor.read() as Float32Array<ArrayBuffer>] as const;
    });
    return { ...super.save(), arrays: Object.fromEntries(arrays) };
  }

  protected async extend(kv: KvView, end: number, control?: RunControl): Promise<void> {
    const { block } = this.#keyRuns(end);
    const blocks = Math.ceil((end - this.start) / block);
    const known = this.#runs;
    const fits = known !== null && !known.isShared && known.capacity >= blocks;
    const first = fits ? Math.floor(this.nodes / block) : 0;
    const runs = fits
      ? known
      : new RunTensors(this.#backend, kv, this.#summary.tensors.length, blocks);
    let unused = fits ? null : runs;
    try {
      const rows = runs.rows(first, blocks);
      await this.#summary.write(upTo(kv, end), this.start + first * block, block, rows, control);
      if (unused) [this.#runs, unused] = [runs, known];
    } finally {
      unused?.release();
    }
  }

  protected copy(place: IndexPlace): RunIndex {
    const runs = this.#runs?.retain() ?? null;
    return new RunIndex(this.#backend, this.options, place, this.#summary, runs);
  }

  close(): void {
    this.#runs?.release();
    this.#runs = null;
  }

  #keyRuns(end: number): KeyRuns {
    const { options, start } = this;
    return { start, end, block: blockOf(options), share: options.share };
  }
}

function blockOf(options: RunOptions): number {
  return options.kind === "pages" ? options.page : options.block;
}

function boundsOf(backend: Backend): Summary {
  return {
    tensors: ["min", "max"],
    bounds: true,
    write: (kv, start, block, [min, max], control) =>
      backend.keyBounds(kv, start, block, { min: min!, max: max! }, control),
    scores: ({ q, row, heads }, [min, max], control) =>
      backend.boundScores(q, row, heads, { min: min!, max: max! }, control),
  };
}

function meansOf(backend: Backend): Summary {
  return {
    tensors: ["means"],
    bounds: false,
    write: (kv, start, block, [means], control) =>
      backend.poolKeys(kv, start, block, means!, control),
    scores: ({ q, row, heads }, [means], control) => {
      const k = means!;
      // As if the query came behind all blocks.
      const place = { q: q.rows(row, 1), k, qStart: k.shape[0]!, block: 1 };
      return backend.blockScores(place, heads, 1, false, control);
    },
  };
}
