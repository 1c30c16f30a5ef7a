import type { Backend, KeyPlan } from "../../ffi/backend.ts";
import { windowStart } from "../attention/window.ts";
import type { PagedCache } from "../cache/paged_cache.ts";
import type { ModelConfig } from "../model/types.ts";
import type { ForwardEvent } from "./forward.ts";
import type { CaptureOptions, LayerRecord } from "./step.ts";

/** Where a recorded row stands. */
export interface RecordPlace {
  /** Computes the rows. */
  readonly backend: Backend;
  /** Number of heads and scale. */
  readonly config: ModelConfig;
  /** Keys of the session. */
  readonly cache: PagedCache;
  /** Place of the row's token; it sees keys `0 .. position`. */
  readonly position: number;
}

/** Records what one layer did for a single decode row, and the attention rows that `capture` asks for. */
export async function recordLayer(
  place: RecordPlace,
  { state, tensors, decoded }: ForwardEvent,
  capture: CaptureOptions | undefined,
): Promise<LayerRecord> {
  const rows = new Map<number, Float32Array>();
  const masses = new Map<number, number>();
  const { plans, keys, searches } = decoded!;
  for (const head of capturedHeads(capture, state.layer, place.config.heads)) {
    const row = await attentionRow(place, state.layer, head, tensors.q, keys[head]!);
    rows.set(head, row.probs);
    if (capture?.exactMass) {
      const full = await attentionRow(
        place,
        state.layer,
        head,
        tensors.q,
        seenKeys(place, state.layer),
      );
      masses.set(head, Math.exp(row.lse - full.lse));
    }
  }
  return { plan: plans[0]!, keys, searches, rows, masses };
}

function attentionRow(
  { backend, config, cache, position }: RecordPlace,
  layer: number,
  head: number,
  q: ForwardEvent["tensors"]["q"],
  plan: KeyPlan,
) {
  return backend.attentionRow(q, 0, head, config.scale, cache.view(layer, position + 1), plan);
}

/** Every key that the layer shows to the row. */
function seenKeys({ config, position }: RecordPlace, layer: number): KeyPlan {
  const start = windowStart(config.windows[layer]!, position);
  return { ranges: Int32Array.of(start, position + 1), indices: new Int32Array(0) };
}

function capturedHeads(
  capture: CaptureOptions | undefined,
  layer: number,
  heads: number,
): readonly number[] {
  if (!capture) return [];
  const { layers: chosenLayers = "all", heads: chosenHeads = "all" } = capture;
  if (chosenLayers !== "all" && !chosenLayers.includes(layer)) return [];
  const all = Array.from({ length: heads }, (_, head) => head);
  return chosenHeads === "all" ? all : all.filter((head) => chosenHeads.includes(head));
}
