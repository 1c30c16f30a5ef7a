/** What a call costs that computes nearly nothing: checks, the way into the library, waking and awaiting its threads. */
import type { Backend } from "../../ffi/backend.ts";
import { inTurn } from "./repetitions.ts";
import { spreadOf } from "./statistics.ts";

/** Rows that the library merges as one piece: each thread has one. */
const PIECE_ROWS = 256;

/** Milliseconds, as a median of calls for about `seconds`. */
export async function measureEmptyCall(backend: Backend, seconds: number): Promise<number> {
  const rows = PIECE_ROWS * backend.info().threads;
  const partial = () => ({ out: backend.tensor([rows, 1]), lse: backend.tensor([rows]) });
  const [a, b] = [partial(), partial()];
  const control = backend.control();
  try {
    const call = () => backend.merge(a, b, a);
    const [times] = await inTurn([call], { ms: 1000 * seconds, least: 10, control });
    return spreadOf(times!).median;
  } finally {
    for (const tensor of [a.out, a.lse, b.out, b.lse]) tensor.close();
  }
}
