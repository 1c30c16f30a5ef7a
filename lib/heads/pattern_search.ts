import {
  candidateSchema,
  type HeadFile,
  type PatternCandidate,
  type QueryHeadEntry,
} from "../attention/head_file.ts";
import type { HeadPattern } from "../attention/head_pattern.ts";
import { planPatterns } from "../attention/pattern_plans.ts";
import { CHUNK_TOKENS } from "../engine/session_defaults.ts";
import type { HeadTrial, LayerProbe } from "../engine/head_probe.ts";
import { fitPatterns, type FittedFamily } from "./fit_patterns.ts";
import {
  type CalibrationText,
  checkCounts,
  type HeadSearchOptions,
  optionCheck,
  type SearchedModel,
  searchHeads,
} from "./layer_search.ts";
import type { SearchKind } from "./search_log.ts";

/** Options of {@link searchPatterns}. */
export interface PatternSearchOptions extends HeadSearchOptions {
  /** What patterns are tried on: the first `tokens` tokens of each. */
  readonly texts: readonly CalibrationText[];
  /**
   * Tile area that each candidate may compute, over that of dense attention.
   * @default 0.2
   */
  readonly tileShare?: number;
  /**
   * What the best candidate is chosen by: most attention `mass` kept, or least relative `error` of the output.
   * @default "mass"
   */
  readonly criterion?: "mass" | "error";
}

/** Version of what is tried and how it is scored. */
const VERSION = 1;

const ACTION = "search patterns";

/** The candidates of a head, `null` where one's least budget exceeds what there is. */
type Candidates = readonly (PatternCandidate | null)[];

const KIND: SearchKind<Candidates> = {
  name: "pattern search",
  head: (z) => z.array(candidateSchema(z).nullable()),
};

type Checked = Required<
  Pick<
    PatternSearchOptions,
    "tokens" | "tileShare" | "criterion" | "chunkTokens" | "kv"
  >
>;

/**
 * Finds for each head the pattern that keeps most of its attention. A-shape, vertical-slash with few and with many columns and
 * block-sparse are brought to one tile area on each text, run by the kernels, and scored beside dense attention, by mass
 * `exp(lse of the pattern - lse of all keys)` and by output error, both averaged over texts; of equal ones the first wins.
 * Budgets are averaged over texts, too. Layers with a sliding window stay dense.
 *
 * @throws {RangeError} when an option is out of range or a text is too short
 * @throws {ModelFormatError} when `progressFile` is of another search
 */
export async function searchPatterns(
  model: SearchedModel,
  options: PatternSearchOptions,
): Promise<HeadFile> {
  const checked = checkOptions(options);
  const { tokens, tileShare, criterion, chunkTokens, kv } = checked;
  return await searchHeads<Candidates>(model, {
    ...{ kind: KIND, version: VERSION, action: ACTION },
    cut: (ids) => ids.slice(0, tokens),
    settings: { tokens, tileShare, chunkTokens, kv },
    measure: (probe) => tryLayer(probe, model.config.heads, checked),
    obtained: { criterion, settings: { tileShare, chunkTokens, kv } },
    entry: (found) => entryOf(found, criterion),
  }, { ...options, chunkTokens, kv });
}

function checkOptions(options: PatternSearchOptions): Checked {
  const { texts, tokens, tileShare = 0.2, criterion = "mass" } = options;
  const { chunkTokens = CHUNK_TOKENS, kv = "bf16" } = options;
  const check = optionCheck(ACTION);
  check("texts", texts.length > 0, "at least one", texts.length);
  checkCounts(check, { tokens, chunkTokens });
  check("tileShare", tileShare > 0 && tileShare <= 1, "> 0 and <= 1", tileShare);
  check("criterion", ["mass", "error"].includes(criterion), "mass or error", criterion);
  return { tokens, tileShare, criterion, chunkTokens, kv };
}

/** Candidates of each head of a layer. */
async function tryLayer(
  probe: LayerProbe,
  heads: number,
  options: Checked,
): Promise<readonly Candidates[]> {
  const all = Array.from({ length: heads }, (_, head) => head);
  if (probe.window !== null && probe.window < probe.tokens) return all.map(() => []);
  const families = await fitPatterns(probe, options.tileShare, heads);
  checkBudget(families, options);
  const trials = await tryFamilies(probe, families);
  return all.map((head) =>
    families.map((family, x) => {
      const pattern = family[head]!;
      return pattern && { pattern, scores: { ...trials[x]![head]! } };
    })
  );
}

/** Trials of the families; those that came out the same are tried once. */
async function tryFamilies(
  probe: LayerProbe,
  families: readonly FittedFamily[],
): Promise<(readonly HeadTrial[])[]> {
  const known = new Map<string, readonly HeadTrial[]>();
  const trials: (readonly HeadTrial[])[] = [];
  for (const family of families) {
    const key = JSON.stringify(family);
    const trial = known.get(key) ?? await tryFamily(probe, family);
    known.set(key, trial);
    trials.push(trial);
  }
  return trials;
}

/** Where a family has no pattern for a head, the head sees its own keys only, and what comes out does not count. */
async function tryFamily(probe: LayerProbe, family: FittedFamily): Promise<HeadTrial[]> {
  if (family.every((pattern) => pattern === null)) {
    return family.map(() => ({ mass: 0, error: 0, tileShare: 0 }));
  }
  const none: HeadPattern = { kind: "aShape", sink: 0, window: 1 };
  return await probe.trial((context) => planPatterns(context, (head) => family[head] ?? none));
}

function checkBudget(families: readonly FittedFamily[], { tileShare, tokens }: Checked): void {
  const heads = families[0]!.length;
  for (let head = 0; head < heads; head++) {
    if (families.some((family) => family[head])) continue;
    throw new RangeError(
      `Cannot search patterns as tileShare must leave room for two tiles in each row of tiles of ${tokens} ` +
        `tokens: current value is ${tileShare}`,
    );
  }
}

/** The head's candidates averaged over texts, and the best of them. */
function entryOf(
  texts: readonly Candidates[],
  criterion: Checked["criterion"],
): QueryHeadEntry {
  const candidates = texts[0]!.flatMap((_, family) => {
    const found = texts.map((text) => text[family]!);
    return found.every((candidate) => candidate) ? [averaged(found)] : [];
  });
  if (candidates.length === 0) {
    return { type: "dense", scores: {}, pattern: { kind: "dense" }, candidates };
  }
  const worth = ({ scores }: PatternCandidate) =>
    criterion === "mass" ? scores.mass! : -scores.error!;
  const best = candidates.reduce((best, next) => worth(next) > worth(best) ? next : best);
  return { type: best.pattern.kind, scores: best.scores, pattern: best.pattern, candidates };
}

function averaged(found: readonly PatternCandidate[]): PatternCandidate {
  const patterns = found.map(({ pattern }) => pattern);
  const budgets = meansOf(patterns.map(({ kind: _, ...budgets }) => budgets));
  const whole = Object.entries(budgets).map(([name, value]) => [name, Math.round(value)]);
  return {
    pattern: { kind: patterns[0]!.kind, ...Object.fromEntries(whole) },
    scores: meansOf(found.map(({ scores }) => scores)),
  };
}

/** The mean of each number, by name. */
function meansOf(values: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const means = Object.keys(values[0]!).map((name) => {
    const sum = values.reduce((sum, value) => sum + value[name]!, 0);
    return [name, sum / values.length] as const;
  });
  return Object.fromEntries(means);
}
