import type { Awaitable, Backend, KvView, RunControl, Tensor } from "../../ffi/backend.ts";
import { askedKeys, keysToFind } from "./asking_rows.ts";
import { emptyPlace, GrowingIndex, type IndexPlace } from "./growing_index.ts";
import type { Filled } from "./index_options.ts";
import { boundedMass, type KeyRuns, openRuns } from "./key_runs.ts";
import type { IndexAnswer, IndexQuery, IndexSource, IndexStats, KvIndex } from "./kv_index.ts";
import { RunTensors } from "./run_tensors.ts";
import { upTo } from "./up_to.ts";

type RunOptions = Filled<"pages"> | Filled<"blocks">;

/** What is kept of each run of keys, and how runs are ranked by it. */
interface Summary {
  /** Tensors that it takes. */
  readonly tensors: number;
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

  /** It is built again from the keys. */
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

  protected async extend(kv: KvView, end: number, control?: RunControl): Promise<void> {
    const { block } = this.#keyRuns(end);
    const blocks = Math.ceil((end - this.start) / block);
    const known = this.#runs;
    const fits = known !== null && !known.isShared && known.capacity >= blocks;
    const first = fits ? Math.floor(this.nodes / block) : 0;
    const runs = fits ? known : new RunTensors(this.#backend, kv, this.#summary.tensors, blocks);
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
    const block = options.kind === "pages" ? options.page : options.block;
    return { start, end, block, share: options.share };
  }
}

function boundsOf(backend: Backend): Summary {
  return {
    tensors: 2,
    bounds: true,
    write: (kv, start, block, [min, max], control) =>
      backend.keyBounds(kv, start, block, { min: min!, max: max! }, control),
    scores: ({ q, row, heads }, [min, max], control) =>
      backend.boundScores(q, row, heads, { min: min!, max: max! }, control),
  };
}

function meansOf(backend: Backend): Summary {
  return {
    tensors: 1,
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
