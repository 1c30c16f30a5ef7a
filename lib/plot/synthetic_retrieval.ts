/** Made-up data about retrieval of keys with the shapes of real ones: the same every time. */
import type { LatencyPoint } from "./latency/latency_data.ts";
import type { IndexReportRow } from "./report/index_points.ts";
import { measureShift } from "./shift/measure_shift.ts";
import type { HeadShift } from "./shift/shift_data.ts";
import { numbersOf } from "./synthetic.ts";
import type { KvTimelineStep } from "./timeline/timeline_rows.ts";

const DIM = 24;

/** A head whose queries are apart from its keys, and one whose are among them. */
export function syntheticShifts(): HeadShift[] {
  return [{ head: 0, apart: 5, seed: 21 }, { head: 1, apart: 0.4, seed: 22 }].map(
    ({ head, apart, seed }) => {
      const normal = normalsOf(seed);
      const vectors = (count: number, shift: number) =>
        Float32Array.from(
          { length: count * DIM },
          (_, i) => normal() * spread(i % DIM) + (i % DIM === 6 ? shift : 0),
        );
      const [keys, queries] = [vectors(1200, 0), vectors(160, apart)];
      return measureShift({ layer: 2, head, kvHead: 0, dim: DIM, keys, queries });
    },
  );
}

/** Keys differ much in few directions and little in many. */
function spread(direction: number): number {
  return 2 / Math.sqrt(1 + direction);
}

/** Normally distributed numbers (Box-Muller). */
function normalsOf(seed: number): () => number {
  const next = numbersOf(seed);
  return () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** Eight heads searched by each kind of index. */
export function syntheticIndexes(): IndexReportRow[] {
  const next = numbersOf(23);
  const tokens = 32_768;
  return INDEXES.flatMap(({ index, trials, buildMs, bytes }) =>
    trials.flatMap(({ parameter, recall, mass, scanned, ms }) =>
      Array.from({ length: 8 }, (_, head) => {
        const luck = 1 + 0.4 * (next() - 0.5) - (head === 5 ? 0.3 : 0);
        const found = (share: number) => Math.max(0, 1 - (1 - share) * (2 - luck));
        return {
          index,
          parameter,
          tokens,
          layer: 2 + Math.floor(head / 4),
          head: head % 4,
          recall: found(recall),
          mass: found(mass),
          scannedShare: Math.min(1, scanned * (0.95 + 0.1 * next())),
          searchMs: ms * (0.9 + 0.2 * next()),
          buildMs,
          bytes,
        };
      })
    )
  );
}

/** Searches of an index with one parameter. */
interface Trial {
  readonly parameter: string;
  readonly recall: number;
  readonly mass: number;
  readonly scanned: number;
  readonly ms: number;
}

function trial(
  parameter: string,
  recall: number,
  mass: number,
  scanned: number,
  ms: number,
): Trial {
  return { parameter, recall, mass, scanned, ms };
}

const INDEXES = [
  { index: "exact", buildMs: 0, bytes: 0, trials: [trial("", 1, 1, 1.1, 0.9)] },
  {
    index: "graph",
    buildMs: 2100,
    bytes: 4.2e6,
    trials: [
      trial("width 100", 0.868, 0.97, 0.065, 0.09),
      trial("width 150", 0.922, 0.982, 0.089, 0.12),
      trial("width 200", 0.949, 0.988, 0.11, 0.16),
      trial("width 400", 0.984, 0.996, 0.18, 0.29),
    ],
  },
  {
    index: "clusters",
    buildMs: 390,
    bytes: 0.4e6,
    trials: [
      trial("4 %", 0.55, 0.84, 0.056, 0.05),
      trial("8 %", 0.7, 0.91, 0.098, 0.08),
      trial("16 %", 0.84, 0.96, 0.18, 0.15),
    ],
  },
  {
    index: "flat4",
    buildMs: 14,
    bytes: 1.2e6,
    trials: [
      trial("200 candidates", 0.994, 0.998, 0.98, 0.21),
      trial("400 candidates", 0.998, 0.9995, 0.99, 0.24),
    ],
  },
  {
    index: "pages",
    buildMs: 6,
    bytes: 0.6e6,
    trials: [
      trial("3 %", 0.3, 0.8, 0.15, 0.11),
      trial("12 %", 0.63, 0.93, 0.25, 0.17),
      trial("25 %", 0.82, 0.97, 0.37, 0.25),
    ],
  },
  {
    index: "hnsw",
    buildMs: 3400,
    bytes: 12e6,
    trials: [
      trial("ef 100", 0.36, 0.78, 0.05, 0.12),
      trial("ef 400", 0.52, 0.87, 0.14, 0.4),
      trial("ef 1600", 0.66, 0.92, 0.33, 1.3),
    ],
  },
];

/** Steps of a head that finds a passage, then another; each step a key leaves the window, each sixteenth it is indexed. */
export function syntheticTimeline(steps: number): KvTimelineStep[] {
  const next = numbersOf(24);
  const [first, sink, window, batch] = [2048, 64, 256, 16];
  return Array.from({ length: steps }, (_, step) => {
    const keys = first + 8 * step;
    const passage = step < steps / 2 ? 700 : 1300 + 6 * step;
    const near = Array.from({ length: 40 }, (_, i) => passage + 2 * i);
    const far = Array.from(
      { length: 24 },
      () => sink + Math.floor(next() * (keys - window - sink - 1)),
    );
    const left = keys - window;
    const isIndexed = step % 4 === 3;
    return {
      step,
      keys,
      indices: [...new Set([...near, ...far])],
      ranges: [[0, sink], [left, keys]] as const,
      appended: isIndexed ? [[left - 2 * batch, left] as const] : [],
    };
  });
}

/** Prefills of which one keeps all in a fast tier, and others only what every step needs. */
export function syntheticMemory(): LatencyPoint[] {
  const byteOfToken = 16_384;
  const methods = [
    { method: "dense", linear: 20, square: 3, fast: 1, slow: 0, index: 0 },
    { method: "retrieval, graph", linear: 60, square: 3.1, fast: 0, slow: 1, index: 0.12 },
    { method: "retrieval, clusters", linear: 32, square: 3.1, fast: 0, slow: 1, index: 0.02 },
  ];
  return methods.flatMap(({ method, linear, square, fast, slow, index }) =>
    [4, 8, 16, 32, 64, 128].map((units) => {
      const bytes = byteOfToken * 1024 * units;
      return {
        method,
        tokens: 1024 * units,
        ms: linear * units + square * units ** 2,
        fastBytes: fast * bytes + (1 - fast) * 640 * byteOfToken,
        slowBytes: slow * bytes,
        indexBytes: index * bytes,
      };
    })
  );
}
