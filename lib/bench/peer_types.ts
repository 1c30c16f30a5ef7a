/** Which element type a peer is given, so that it is compared at its best. */
import type { MeasuredDType } from "./bench_case.ts";
import type { Peer, PeerCase } from "./peer.ts";
import { spreadOf } from "./statistics.ts";

/** Types in which a peer may compute what ours does in a type. */
const PEER_TYPES: Readonly<Record<MeasuredDType, readonly PeerCase["dtype"][]>> = {
  f32: ["f32"],
  bf16: ["bf16", "f16", "f32"],
  int8: ["q8_0", "bf16", "f16", "f32"],
};
/** Tokens of the small problem on which the types are tried. */
const TRIAL_TOKENS = { prefill: 1024, decode: 16_384 };
/** Seconds of a trial. */
const TRIAL_SECONDS = 0.1;

/**
 * Finds the fastest type of each peer for a kind of problem, head size and group, once a run: a peer may take bf16 and
 * be slow at it.
 */
export class PeerTypes {
  readonly #fastest = new Map<string, PeerCase["dtype"]>();

  /**
   * The case in the type in which the peer is fastest, or, as text, why it takes none.
   * @throws what the peer throws, where it fails in every type
   */
  async choose(
    peer: Peer,
    asked: Omit<PeerCase, "dtype">,
    ours: MeasuredDType,
    signal: AbortSignal,
  ): Promise<PeerCase | string> {
    const cases = PEER_TYPES[ours].map((dtype): PeerCase => ({ ...asked, dtype }));
    const accepted = cases.filter((c) => peer.accepts(c) === undefined);
    if (accepted.length === 0) return peer.accepts(cases.at(-1)!)!;
    if (accepted.length === 1) return accepted[0]!;
    const { kind, dim, heads, kvHeads } = asked;
    const key = [peer.name, ours, kind, dim, heads / kvHeads].join(" ");
    const known = accepted.find(({ dtype }) => dtype === this.#fastest.get(key));
    const chosen = known ?? await fastest(peer, accepted, signal);
    this.#fastest.set(key, chosen.dtype);
    return chosen;
  }
}

async function fastest(
  peer: Peer,
  cases: readonly PeerCase[],
  signal: AbortSignal,
): Promise<PeerCase> {
  let best: { one: PeerCase; ms: number } | undefined;
  let failure: unknown;
  for (const one of cases) {
    const tokens = Math.min(one.tokens, TRIAL_TOKENS[one.kind]);
    try {
      const result = await peer.measure({ ...one, tokens, seconds: TRIAL_SECONDS }, signal);
      const ms = spreadOf(result.milliseconds).median;
      if (!best || ms < best.ms) best = { one, ms };
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  if (!best) throw failure;
  return best.one;
}
