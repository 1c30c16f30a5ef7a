import type { Backend, RunControl, Tensor } from "../../ffi/backend.ts";
import type { IndexAnswer, IndexMass, IndexQuery, IndexSource, KvIndex } from "./kv_index.ts";

/** The index that scores every key: always right, and the measure of all others. Equal scores go to the lower key. */
export function exactIndex(backend: Backend, source: Pick<IndexSource, "start" | "end">): KvIndex {
  const { start } = source;
  let { end } = source;
  return {
    options: { kind: "exact" },
    start,
    get end() {
      return end;
    },
    search: (query, control) => {
      return search(backend, query, start, Math.min(end, query.end), control);
    },
    append: (_kv, until) => void (end = until),
    stats: () => ({
      ...{ kind: "exact", keys: end - start, appended: 0, bytes: 0, buildMs: 0, appendMs: 0 },
    }),
    fork: () => exactIndex(backend, { start, end }),
    save: () => ({
      ...{ options: { kind: "exact" }, start, end, appended: 0, buildMs: 0 },
      ...{ counts: {}, arrays: {} },
    }),
    close: () => {},
  };
}

async function search(
  backend: Backend,
  query: IndexQuery,
  start: number,
  end: number,
  control: RunControl | undefined,
): Promise<IndexAnswer> {
  const { q, row, heads, kv, topK, wantsMass } = query;
  const found = await backend.topKeys(q, row, heads, kv, start, end, topK, control);
  const mass = wantsMass ? await massOf(backend, query, start, end, control) : null;
  return { found, scanned: heads.map(() => end - start), mass };
}

/** Attends to all keys, only for the log-sum-exp. */
async function massOf(
  backend: Backend,
  { q, row, heads, kv, scale }: IndexQuery,
  start: number,
  end: number,
  control: RunControl | undefined,
): Promise<IndexMass> {
  const one = q.rows(row, 1);
  const plan = { ranges: Int32Array.of(start, end), indices: new Int32Array() };
  const out = { out: backend.tensor(one.shape), lse: backend.tensor([1, one.shape[1]!]) };
  try {
    const plans = Array.from({ length: one.shape[1]! }, () => plan);
    await backend.attendKeys(one, scale, kv, plans, out, control);
    return { lse: picked(out.lse, heads), kind: "exact" };
  } finally {
    out.out.close();
    out.lse.close();
  }
}

function picked(tensor: Tensor, heads: readonly number[]): Float32Array<ArrayBuffer> {
  const all = tensor.read();
  return Float32Array.from(heads, (head) => all[head]!);
}
