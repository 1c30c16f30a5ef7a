/** Which layers of a model see only a window of recent keys. */
import type { Family } from "./families.ts";
import { configError } from "./config_error.ts";

/** Fields of `config.json` that decide about sliding windows. */
export interface WindowFields {
  /** Number of layers. */
  readonly num_hidden_layers: number;
  /** Keys that a query sees, its own included. */
  readonly sliding_window?: number | null | undefined;
  /** Whether the window is used, in families where only later layers have one. */
  readonly use_sliding_window?: boolean | null | undefined;
  /** First layer with a window, in the same families. */
  readonly max_window_layers?: number | undefined;
  /** Every layer of this number sees all keys, in families whose layers alternate. */
  readonly sliding_window_pattern?: number | null | undefined;
  /** What each layer has, where the file says so. */
  readonly layer_types?: readonly string[] | null | undefined;
}

const FULL = "full_attention";
const SLIDING = "sliding_attention";

/** The window of each layer, `null` where there is none. */
export function readWindows(fields: WindowFields, family: Family): (number | null)[] {
  const derived = derivedTypes(fields, family);
  const types = fields.layer_types ?? derived;
  if (types.length !== derived.length) {
    throw configError(`layer_types must name ${derived.length} layers`, types.length);
  }
  return types.map((type, layer) => {
    checkType(type, derived[layer]!, fields, family);
    return type === SLIDING ? windowOf(fields) : null;
  });
}

function derivedTypes(fields: WindowFields, { windows }: Family): string[] {
  const used = inUse(fields, windows);
  return Array.from(
    { length: fields.num_hidden_layers },
    (_, layer) => used && isSliding(layer, fields, windows) ? SLIDING : FULL,
  );
}

function isSliding(layer: number, fields: WindowFields, windows: Family["windows"]): boolean {
  const { max_window_layers = 0, sliding_window_pattern } = fields;
  if (windows === "later") return layer >= max_window_layers;
  return windows === "all" || (layer + 1) % (sliding_window_pattern ?? 1) !== 0;
}

function inUse({ sliding_window, use_sliding_window }: WindowFields, windows: Family["windows"]) {
  if (windows === "none" || sliding_window === null || sliding_window === undefined) return false;
  return windows !== "later" || use_sliding_window === true;
}

/** Only in families with windows in some layers does the file decide which; in the others it must not contradict. */
function checkType(
  type: string,
  derived: string,
  fields: WindowFields,
  { name, windows }: Family,
): void {
  const alternate = windows === "later" || windows === "pattern";
  const free = alternate && inUse(fields, windows);
  const allowed = free ? [FULL, SLIDING] : [derived];
  if (allowed.includes(type)) return;
  throw configError(`layer_types of this ${name} must be of ${allowed.join(", ")}`, type);
}

function windowOf({ sliding_window: window }: WindowFields): number {
  if (window !== null && window !== undefined && window >= 1) return window;
  throw configError("sliding_window must be >= 1", window);
}
