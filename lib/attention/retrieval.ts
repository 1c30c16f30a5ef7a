import {
  type IndexKind,
  indexName,
  type IndexOptions,
  indexOptions,
} from "../retrieval/index_options.ts";
import { checkMass } from "../retrieval/mass_cut.ts";
import type { RetrievalWish } from "../retrieval/retrieval_wish.ts";
import { checkCount } from "./check.ts";
import { described } from "./described.ts";
import type { HeadFile, RetrievalMode } from "./head_file.ts";
import type { DecodeContext, Method } from "./method.ts";
import type { HeadPlan, StaticPlusRetrievedPlan } from "./plan.ts";
import { isModes, modeOf, type RetrievalModes, retrievalModes } from "./retrieval_modes.ts";
import { settingsFound, withSettings } from "./retrieval_source.ts";
import { retrievalWishes } from "./retrieval_wishes.ts";

/** Options of {@link retrieval}. */
export interface RetrievalOptions {
  /**
   * Tokens at the start of the text that stay on the fast tier.
   * @default what the modes of the head file were found with, else 128
   */
  readonly sink?: number;
  /**
   * Most recent tokens that stay on the fast tier.
   * @default what the modes of the head file were found with, else 512
   */
  readonly window?: number;
  /**
   * Keys retrieved for each query head and step; with `mass` the most.
   * @default what the modes of the head file were found with, else 100
   */
  readonly topK?: number;
  /**
   * Index that is asked: its kind, or kind and options.
   * @default "exact"
   */
  readonly index?: IndexKind | IndexOptions;
  /**
   * Share of the attention that is to be kept: as few keys are retrieved as hold it by the index's bound or estimate. Needs an index
   * that can tell (`exact`, `flat4`, `pages`) or `tail`.
   * @default all `topK` keys
   */
  readonly mass?: number | null;
  /**
   * Adds the keys that are not retrieved, each as the mean of its cluster (RetroInfer's estimation zone): nearer to dense attention,
   * which is not always the better answer. A graph may miss a key that nothing in the text asked for; as such keys are few in their
   * clusters, the tail has them.
   * @default "clusters" for a graph, and for `auto`, which may choose one; else "none"
   */
  readonly tail?: "none" | "clusters";
  /**
   * Width of a graph's search (`ef`), where the index has one.
   * @default the index's own
   */
  readonly ef?: number | null;
  /**
   * What each query head of each layer does: a head file, or its modes. `tail` heads retrieve nothing and need `tail: "clusters"`.
   * Modes hold for the `sink`, `window` and `topK` that they were found with: where a file tells these, others are refused.
   * @default every head asks the index
   */
  readonly heads?: HeadFile | RetrievalModes | null;
  /**
   * Keys that leave the window before they are taken into the index together, and before there is one; `exact` takes
   * each at once.
   * @default 256
   */
  readonly batch?: number;
}

type Checked = Required<Omit<RetrievalOptions, "heads" | "index">> & {
  readonly index: IndexOptions;
  readonly heads: RetrievalModes | null;
};

const ACTION = "make a retrieval method";

/**
 * RetrievalAttention (Liu et al. 2024, arXiv 2409.10516): a static set of first and recent keys, and the keys an
 * index finds for each query head. The context is prefilled densely; the question and every generated token go
 * through the index. On a GPU it attends to the static set while the CPU searches.
 *
 * @throws {RangeError} if an option is out of range, or another than the modes of its head file were found with
 */
export function retrieval(options: RetrievalOptions = {}): Method {
  const checked = check(asFound(options));
  const { sink, window } = checked;
  const wishes = retrievalWishes(checked);
  return described({
    name: "retrieval",
    options: checked,
    governsPrefill: false,
    ...wishes,
    planPrefill: ({ heads }) => heads.map(() => ({ kind: "dense" })),
    planDecode: (context) => planDecode(checked, wishes.indexesOf(context.layer)[0], context),
    residentKeys: (layer, head, length) => {
      return modeOf(checked.heads, layer, head) === "dense"
        ? length
        : Math.min(length, sink + window);
    },
  });
}

function asFound(options: RetrievalOptions): RetrievalOptions {
  const { heads } = options;
  if (!heads || isModes(heads)) return options;
  return withSettings(ACTION, options, settingsFound(heads));
}

function check(options: RetrievalOptions): Checked {
  const { sink = 128, window = 512, topK = 100, mass = null, ef = null, batch = 256 } = options;
  const index = withWidth(options.index ?? "exact", ef);
  const { tail = index.kind === "graph" || index.kind === "auto" ? "clusters" : "none" } = options;
  checkCount(ACTION, "sink", sink, 0);
  checkCount(ACTION, "window", window, 1);
  checkCount(ACTION, "topK", topK, 0);
  checkCount(ACTION, "batch", batch, 1);
  if (mass !== null) checkMass(ACTION, mass);
  if (tail !== "none" && tail !== "clusters") {
    throw new RangeError(
      `Cannot ${ACTION} as tail must be "none" or "clusters": current value is ${tail}`,
    );
  }
  const heads = options.heads ? retrievalModes(ACTION, options.heads) : null;
  if (tail === "none" && heads?.flat().includes("tail")) {
    throw new RangeError(
      `Cannot ${ACTION} with heads of mode tail as tail must be "clusters": current value is ${tail}`,
    );
  }
  return { sink, window, topK, index, mass, tail, ef, heads, batch };
}

function withWidth(index: IndexKind | IndexOptions, ef: number | null): IndexOptions {
  const filled: IndexOptions = indexOptions(ACTION, index);
  if (ef === null) return filled;
  checkCount(ACTION, "ef", ef, 1);
  if (filled.kind === "graph" || filled.kind === "hnsw") return { ...filled, width: ef };
  throw new RangeError(
    `Cannot ${ACTION} with ef as index must be graph or hnsw: current value is ${filled.kind}`,
  );
}

async function planDecode(
  options: Checked,
  wish: RetrievalWish | undefined,
  context: DecodeContext,
): Promise<readonly HeadPlan[]> {
  const { layer, heads } = context;
  const plans: HeadPlan[] = [];
  const modes = heads.map((head) => modeOf(options.heads, layer, head));
  for (const mode of new Set(modes)) {
    const some = heads.filter((_, x) => modes[x] === mode);
    const found = await planMode(mode, options, wish, { ...context, heads: some });
    some.forEach((head, x) => plans[heads.indexOf(head)] = found[x]!);
  }
  return plans;
}

async function planMode(
  mode: RetrievalMode,
  { sink, window, topK, mass, index }: Checked,
  wish: RetrievalWish | undefined,
  { heads, position, search }: DecodeContext,
): Promise<readonly HeadPlan[]> {
  if (mode === "dense") return heads.map(() => ({ kind: "dense" }));
  if (mode === "streaming") return heads.map(() => ({ kind: "streaming", sink, window }));
  const count = mode === "tail" ? 0 : topK;
  const plan: StaticPlusRetrievedPlan = {
    ...{ kind: "staticPlusRetrieved", sink, window, index: indexName(index) },
    ...{ topK: count, retrieved: [] },
  };
  if (position + 1 - window <= sink || !wish) return heads.map(() => plan);
  const wanted = mode === "tail" ? undefined : mass ?? undefined;
  const { found, end, hasTail } = await search({ wish, heads, topK: count, mass: wanted });
  return found.map(({ indices }) => ({
    ...plan,
    window: position + 1 - end,
    retrieved: [...indices.toSorted()], // a typed array sorts without calls back
    ...(hasTail ? { tail: "clusters" } as const : {}),
  }));
}
