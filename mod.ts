/**
 * Longlens: look into long-context language models and make them fast.
 *
 * @module
 */

// Models and sessions
export { type BuildProgress, type LoadOptions, Model, type Precision } from "./lib/engine/model.ts";
export { Session } from "./lib/engine/session.ts";
export type {
  Prefill,
  PrefillOptions,
  Progress,
  SessionModel,
  SessionOptions,
  StepOptions,
} from "./lib/engine/session_types.ts";
export type { Phase } from "./lib/engine/forward.ts";
export type { AskOptions, GenerateOptions, Generation, StopReason } from "./lib/engine/generate.ts";
export { Run } from "./lib/engine/run.ts";
export type { SamplingOptions } from "./lib/engine/sampler.ts";
export type { Score, ScoreOptions } from "./lib/engine/score.ts";
export { closeAll, type HeldMemory, memory } from "./lib/engine/open_models.ts";
export type { HeldModel } from "./lib/engine/registry.ts";
export type { SessionMemory } from "./lib/engine/memory.ts";

// Steps, states and hooks
export {
  type CaptureOptions,
  type HeadRetrieval,
  type LayerRecord,
  Step,
  type StepCounts,
} from "./lib/engine/step.ts";
export { LayerState, type Stage, type StateName } from "./lib/engine/state.ts";
export type { Hook, HookOptions } from "./lib/engine/hooks.ts";
export type { AttentionMap, MapOptions } from "./lib/engine/map.ts";

// Attention methods and plans
export { methods } from "./lib/attention/methods.ts";
