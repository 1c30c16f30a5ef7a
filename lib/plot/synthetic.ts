/** Made-up data with the shapes of real ones: the same every time. */
import type { AttentionMatrix } from "./map/map_grid.ts";
import type { HeadMatrix } from "./heads/head_values.ts";
import type { BudgetTrial } from "./budget/budget_points.ts";
import type { LatencyPoint } from "./latency/latency_data.ts";
import type { MethodLogits } from "./logits/logit_rows.ts";
import type { PatternHead } from "./pattern/pattern_heads.ts";
import type { PlanValue } from "./pattern/plan_value.ts";
import type { NeedleCell } from "./needle/needle_cells.ts";
import type { RetrievalRow } from "./retrieval/retrieval_rows.ts";
import type { RooflineData } from "./roofline/roofline_data.ts";
import type { RunReport } from "./run/run_phases.ts";

/** Numbers in `0 .. 1` (mulberry32), the same for the same seed. */
export function numbersOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

const FILLER = "The river ran past the mill and the old road turned north again .".split(" ");
const FACT = "The pass key is 71432 . Keep it in mind .".split(" ");
const QUESTION = "What is the pass key ? It is".split(" ");
/** Where the fact begins. */
const FACT_AT = 64;

/** A text of `count` tokens in which a fact is hidden, with a question at its end. */
export function syntheticTokens(count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const word = QUESTION[i - (count - QUESTION.length)] ?? FACT[i - FACT_AT] ??
      FILLER[i % FILLER.length]!;
    return i === 0 ? word : ` ${word}`;
  });
}

/** A head with a sink, a local band and, in the question, an eye for the fact. */
export function syntheticAttention(count: number, recall: number): AttentionMatrix {
  const next = numbersOf(1);
  const values = new Float32Array(count * count);
  for (let query = 0; query < count; query++) {
    const row = values.subarray(query * count, query * count + query + 1);
    row.forEach((_, key) => row[key] = weight(query, key, count, recall) * (0.5 + next()));
    const sum = row.reduce((total, value) => total + value, 0);
    row.forEach((value, key) => row[key] = value / sum);
  }
  return { rows: count, columns: count, values, layer: 3, head: 1 };
}

function weight(query: number, key: number, count: number, recall: number): number {
  if (key === 0) return 6;
  const isQuestion = query >= count - QUESTION.length;
  const isFact = key >= FACT_AT && key < FACT_AT + FACT.length;
  if (isQuestion && isFact) return recall;
  return 2 * Math.exp((key - query) / 6) + 0.02;
}

/** Scores of heads, of which a few are high and one is missing. */
export function syntheticHeads(layers: number, heads: number, seed: number): HeadMatrix {
  const next = numbersOf(seed);
  const values = Float64Array.from({ length: layers * heads }, () => next() ** 4);
  values[Math.floor(values.length / 2) + 1] = NaN;
  return { layers, heads, values };
}

/** A head that finds its fact at every step, and some other keys. */
export function syntheticRetrieval(steps: number): RetrievalRow[] {
  const next = numbersOf(3);
  const tokens = syntheticTokens(steps + FACT_AT).slice(FACT_AT);
  return tokens.map((token, step) => {
    const keys = 4096 + step;
    const middle = 1500 + 40 * step;
    const near = Array.from({ length: 24 }, (_, i) => middle + 3 * i + Math.floor(3 * next()));
    const far = Array.from({ length: 40 }, () => 128 + Math.floor(next() * 3400));
    const indices = [...new Set([...near, ...far])].sort((a, b) => a - b);
    const exact = [2, 700, keys - 3, ...near];
    const ranges = [[0, 128], [keys - 512, keys]] as const;
    const scanned = Math.round(keys * (0.02 + 0.02 * next()));
    const attended = indices.length + 640;
    return { step, layer: 3, head: 1, token, indices, exact, ranges, scanned, attended, keys };
  });
}

/** Three methods: one that finds everything, one that loses the middle, one in between. */
export function syntheticNeedles(): NeedleCell[] {
  const next = numbersOf(4);
  const cells: NeedleCell[] = [];
  for (const method of ["dense", "streaming", "retrieval"]) {
    for (const length of [1024, 2048, 4096, 8192, 16_384, 32_768]) {
      for (let tenth = 0; tenth <= 10; tenth += 2) {
        if (method === "dense" && length === 32_768 && tenth > 6) continue;
        const depth = tenth / 10;
        const chance = chanceOf(method, length, depth);
        const answers = Array.from({ length: 20 }, () => next() < chance);
        const right = answers.filter((isRight) => isRight).length;
        cells.push({ method, length, depth, right, total: answers.length });
      }
    }
  }
  return cells;
}

function chanceOf(method: string, length: number, depth: number): number {
  if (method === "dense") return 0.98;
  const isInWindow = depth === 0 || (1 - depth) * length <= 1024;
  if (isInWindow) return 0.97;
  return method === "streaming" ? 0.08 : 1 - 0.06 * Math.log2(length / 512);
}

/** A run with a long prefill. */
export function syntheticRun(): RunReport {
  return {
    phases: [
      { name: "prefill", ms: 8120, tokens: 32_768 },
      { name: "decode", ms: 2190, tokens: 64 },
      { name: "search", ms: 640 },
      { name: "rest", ms: 310 },
    ],
    memory: { kvBytes: 536e6, residentBytes: 21e6, tokens: 32_832 },
    counts: { scanned: 31e6, attended: 14e6, keys: 1_074e6 },
  };
}

/** Kernels of three kinds: bound by multiplying, by memory, and by a cache. */
export function syntheticRoofline(): RooflineData {
  const next = numbersOf(8);
  const reads = [{ name: "memory", gbps: 38 }, { name: "second-level cache", gbps: 310 }];
  const peaks = [{ name: "avx2 f32", gflops: 420 }];
  const series = [
    { series: "dense prefill", intensities: [260, 520, 1040, 2080], gbps: 38 },
    { series: "dense decode", intensities: [0.5, 1, 2, 4], gbps: 38 },
    { series: "sparse decode", intensities: [0.5, 1, 2, 4], gbps: 310 },
  ];
  const points = series.flatMap(({ series, intensities, gbps }) =>
    intensities.map((intensity) => {
      const ceiling = Math.min(peaks[0]!.gflops, intensity * gbps);
      const gflops = ceiling * (0.5 + 0.45 * next());
      return { series, name: `${intensity} FLOP/B`, intensity, gflops, ceiling };
    })
  );
  return { points, reads, peaks };
}

/** A plan that keeps the sink, the recent keys and, but for its end, the fact. */
export function syntheticPlan(): PlanValue {
  const vertical = [0, ...Array.from({ length: FACT.length - 4 }, (_, i) => FACT_AT + i)];
  const slash = Array.from({ length: 12 }, (_, distance) => distance);
  return { kind: "verticalSlash", vertical, slash };
}

/** Heads of which those of middle layers look far. */
export function syntheticPatterns(layers: number, heads: number): PatternHead[] {
  const next = numbersOf(12);
  return Array.from({ length: layers * heads }, (_, i) => {
    const [layer, head] = [Math.floor(i / heads), i % heads];
    if (i === heads + 2) return { layer, head, pattern: null };
    const far = 1 - Math.abs(2 * layer / (layers - 1) - 1) + 0.6 * next();
    const place = Math.min(3, Math.floor(2.6 * far));
    const pattern = ["A-shape", "vertical-slash", "block-sparse", "dense"][place]!;
    const tileShare = pattern === "dense" ? 1 : 0.05 + 0.15 * place + 0.1 * next();
    return { layer, head, pattern, tileShare };
  });
}

/** 64 heads each with three budgets of four methods. */
export function syntheticBudgets(): BudgetTrial[] {
  const next = numbersOf(13);
  const methods = [
    { method: "a-shape", share: 0.06, loss: 0.3 },
    { method: "vertical-slash", share: 0.05, loss: 0.14 },
    { method: "flexprefill", share: 0.08, loss: 0.08 },
    { method: "xattention", share: 0.1, loss: 0.1 },
  ];
  return methods.flatMap(({ method, share, loss }) =>
    [1, 2, 4].flatMap((budget) =>
      Array.from({ length: 64 }, () => {
        const mass = 1 - Math.min(1, loss / budget ** 1.4 * 3 * next() ** 2);
        return { method, budget, mass, tileShare: share * budget * (0.8 + 0.4 * next()) };
      })
    )
  );
}

/** Texts of the vocabulary of {@link syntheticLogits}. */
export const SYNTHETIC_VOCABULARY: readonly string[] =
  " 71432 71 7 the 9 a key\n It . pass is road 14 32".split(/(?= )/);

/** A method that changes nothing, and one that loses the fact. */
export function syntheticLogits(): MethodLogits[] {
  const next = numbersOf(14);
  const logits = Float32Array.from(SYNTHETIC_VOCABULARY, (_, id) => 6 - id + next());
  const near = logits.map((score) => score + 0.3 * next());
  const lost = logits.map((score, id) => id < 3 ? score - 4 : score + next());
  return [
    { method: "dense", logits },
    { method: "vertical-slash", logits: near },
    { method: "a-shape", logits: lost },
  ];
}

/** A method that pays from 4K tokens on, one from 16K on, and one that never does. */
export function syntheticLatency(): LatencyPoint[] {
  const methods = [
    { method: "dense", linear: 20, square: 3 },
    { method: "vertical-slash", linear: 28, square: 0.5 },
    { method: "flexprefill", linear: 40, square: 1 },
    { method: "retrieval", linear: 26, square: 3.1 },
  ];
  return methods.flatMap(({ method, linear, square }) =>
    [1, 2, 4, 8, 16, 32].map((units) => ({
      method,
      tokens: 1024 * units,
      ms: linear * units + square * units ** 2,
    }))
  );
}
