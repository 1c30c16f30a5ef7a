/**
 * Longlens: look into long-context language models and make them fast.
 *
 * @module
 */

// Models and sessions
export {
  type BackendName,
  type BuildProgress,
  type Compute,
  type DownloadProgress,
  type LoadOptions,
  Model,
  type Precision,
  type WeightFormat,
} from "./lib/engine/model.ts";
export type {
  Activation,
  ModelConfig,
  RopeConfig,
  RopeScaling,
  Tokenizer,
} from "./lib/model/types.ts";
export type {
  ChatMessage,
  ChatTemplate,
  ChatTemplateOptions,
  RenderedChat,
} from "./lib/model/chat_template.ts";
export { Session } from "./lib/engine/session.ts";
export type {
  FileProgress,
  Prefill,
  PrefillOptions,
  Progress,
  RestoreOptions,
  SavedFile,
  SaveOptions,
  SessionOptions,
  StepOptions,
  WalkOptions,
} from "./lib/engine/session_types.ts";
export type { Phase } from "./lib/engine/forward.ts";
export type { AskOptions, GenerateOptions, Generation, StopReason } from "./lib/engine/generate.ts";
export type { ChatOptions } from "./lib/engine/chat.ts";
export { Run } from "./lib/engine/run.ts";
export {
  type CaptureWish,
  GenerationRun,
  type GenerationRunOptions,
  type GenerationSource,
} from "./lib/engine/generation_run.ts";
export type { SamplingOptions } from "./lib/engine/sampler.ts";
export type { Score, ScoreOptions } from "./lib/engine/score.ts";
export { closeAll, type HeldMemory, memory } from "./lib/engine/open_models.ts";
export type { HeldModel } from "./lib/engine/registry.ts";
export { type LocalModel, models, type ModelsOptions } from "./lib/engine/local_models.ts";
export type { SessionMemory } from "./lib/engine/memory.ts";

// Steps, states and hooks
export {
  type CaptureOptions,
  type HeadRef,
  type HeadRetrieval,
  type LayerRecord,
  Step,
  type StepCounts,
} from "./lib/engine/step.ts";
export { LayerState, type Stage, type StateName } from "./lib/engine/state.ts";
export type { Hook, HookOptions } from "./lib/engine/hooks.ts";
export type { AttentionMap, MapOptions } from "./lib/engine/map.ts";

// Attention methods and plans
export { type Methods, methods } from "./lib/attention/methods.ts";
export type {
  AShapeOptions,
  SlidingWindowOptions,
  TriShapeOptions,
} from "./lib/attention/a_shape.ts";
export type { AdaptiveOptions } from "./lib/attention/adaptive.ts";
export type { BlockSparseOptions } from "./lib/attention/block_sparse.ts";
export type { FlexPrefillOptions } from "./lib/attention/flex_prefill.ts";
export type { MinferenceOptions } from "./lib/attention/minference.ts";
export type { RetrievalOptions } from "./lib/attention/retrieval.ts";
export type { RetrievalModes } from "./lib/attention/retrieval_modes.ts";
export type { StreamingOptions } from "./lib/attention/streaming.ts";
export type { VerticalSlashOptions } from "./lib/attention/vertical_slash.ts";
export type { XAttentionOptions } from "./lib/attention/x_attention.ts";
export {
  type XAttentionSample,
  type XAttentionThresholdOptions,
  xAttentionThresholds,
} from "./lib/attention/x_attention_thresholds.ts";
export type {
  AntidiagonalOptions,
  Awaitable,
  BlockScoreOptions,
  BlockScores,
  DecodeContext,
  Estimates,
  KeyPlan,
  Method,
  PrefillContext,
  SearchAnswer,
  SearchRequest,
  TopKeys,
  VerticalSlash,
} from "./lib/attention/method.ts";
export type { MassClaim } from "./lib/attention/mass_claim.ts";
export type {
  BlockSparsePlan,
  ClaimedPlan,
  DensePlan,
  HeadPlan,
  IntersectPlan,
  LayerPlan,
  SlashCover,
  SplitPlan,
  StaticPlusRetrievedPlan,
  StreamingPlan,
  UnionPlan,
  VerticalSlashPlan,
} from "./lib/attention/plan.ts";
export type { SearchCost } from "./lib/engine/planner.ts";
export type { KeptAttention } from "./lib/engine/key_search.ts";

// Indexes over keys
export type {
  AutoIndexOptions,
  BlockIndexOptions,
  ClusterIndexOptions,
  ExactIndexOptions,
  Flat4IndexOptions,
  GraphIndexOptions,
  HnswIndexOptions,
  IndexKind,
  IndexOptions,
  PageIndexOptions,
} from "./lib/retrieval/index_options.ts";
export type { ClusterSettings } from "./lib/retrieval/cluster_set.ts";
export type { IndexStats, MassKind } from "./lib/retrieval/kv_index.ts";
export type { RetrievalWish } from "./lib/retrieval/retrieval_wish.ts";
export {
  type FoundKeySet,
  KeyIndex,
  type KeyIndexData,
  type KeyIndexOptions,
  type KeySearchOptions,
  type SavedKeyIndex,
} from "./lib/engine/key_index.ts";
export type { IndexArray, SavedIndex } from "./lib/retrieval/kv_index.ts";
export type { LayerIndexStats } from "./lib/engine/session_indexes.ts";
export type { IndexTrial, IndexTrialOptions, LayerIndexTrial } from "./lib/engine/index_probe.ts";
export type { CheaperMode, ModeTrial, ModeTrialOptions } from "./lib/engine/mode_probe.ts";

// Head files and pattern search
export {
  type HeadFile,
  type HeadFileLayer,
  type HeadFileModel,
  type HeadFileText,
  type HeadScores,
  type HeadSource,
  type KvHeadEntry,
  type PatternCandidate,
  type QueryHeadEntry,
  readHeadFile,
  type RetrievalMode,
  writeHeadFile,
} from "./lib/attention/head_file.ts";
export { mergeHeadFiles } from "./lib/attention/merge_heads.ts";
export type {
  AShapePattern,
  BlockSparsePattern,
  DensePattern,
  HeadPattern,
  HeadPatterns,
  VerticalSlashPattern,
} from "./lib/attention/head_pattern.ts";
export {
  type ReadMInference,
  readMInferenceFile,
  type ReadMInferenceOptions,
  writeMInferenceFile,
} from "./lib/attention/minference_file.ts";
export {
  type ChunkPlanner,
  type HeadTrial,
  LayerProbe,
  type ProbeContext,
  type ProbeOptions,
} from "./lib/engine/head_probe.ts";
export type {
  CalibrationText,
  HeadSearchOptions,
  HeadSearchProgress,
  SearchedModel,
} from "./lib/heads/layer_search.ts";
export { type PatternSearchOptions, searchPatterns } from "./lib/heads/pattern_search.ts";
export { type RetrievalSearchOptions, searchRetrieval } from "./lib/heads/retrieval_search.ts";

// Haystacks and comparisons
export {
  type Fact,
  type FactKind,
  type FactOptions,
  isRight,
  makeFacts,
} from "./lib/eval/facts.ts";
export {
  type Haystack,
  haystack,
  haystackFromText,
  type HaystackOptions,
  type PlacedFact,
  type TokenCounter,
} from "./lib/eval/haystack.ts";
export {
  compareMethods,
  type CompareOptions,
  type CompareProgress,
  type MethodAnswer,
} from "./lib/eval/compare_methods.ts";
export type { Answer, Answerer, Reading, ReadOptions } from "./lib/eval/answerer.ts";
export { sessionAnswerer, type SessionAnswererOptions } from "./lib/eval/session_answerer.ts";
export type { Question } from "./lib/eval/question.ts";
export type { Match } from "./lib/eval/scoring.ts";

// Evaluation
export { type EvalProgress, evaluate, type EvaluateOptions } from "./lib/eval/evaluate.ts";
export { type EvalKey, type EvalRow } from "./lib/eval/eval_row.ts";
export { EvalLog } from "./lib/eval/eval_log.ts";
export { summarize, type SummaryOptions, type SummaryRow } from "./lib/eval/summary.ts";
export {
  type CaseOptions,
  type Filler,
  type Task,
  type TaskCase,
  type TaskQuestion,
} from "./lib/eval/task.ts";
export type { Difference, Interval } from "./lib/eval/statistics.ts";
export { coverage, type CoverageOptions } from "./lib/eval/coverage.ts";
export type { CoverageText, CoveredModel, ProbedTextOptions } from "./lib/eval/probed_texts.ts";
export { perplexity, type PerplexityOptions, type PerplexityRow } from "./lib/eval/perplexity.ts";
export {
  type IndexTrialRow,
  indexTrials,
  type IndexTrialsOptions,
} from "./lib/eval/index_trials.ts";
export { type CoverageRow, readCoverage, writeCoverage } from "./lib/eval/coverage_row.ts";
export { type PlanDifference, planDifference, type PlanRows } from "./lib/eval/plan_difference.ts";
export { TASKS } from "./lib/eval/tasks/all.ts";
export { grammarFiller, textFiller } from "./lib/eval/fillers.ts";

// Figures
export { plot, type Plots } from "./lib/plot/plot.ts";
export type { Followed } from "./lib/plot/watch/follow.ts";
export type { ProgressEvent, ProgressOptions } from "./lib/plot/progress.ts";
export type { Watched } from "./lib/plot/live.ts";
export type {
  LiveCapture,
  LiveCounts,
  LiveFact,
  LiveGeneration,
  LiveOptions,
  LiveRun,
  LiveSource,
  LiveStep,
} from "./lib/plot/watch/live_types.ts";
export {
  Figure,
  type FigureParts,
  type Ink,
  type MediaBundle,
  type Picture,
  type Redraw,
} from "./lib/plot/figure.ts";
export type { FigureOptions, InkOptions } from "./lib/plot/options.ts";
export type { PaletteName } from "./lib/plot/draw/palette.ts";
export type { ScaleName } from "./lib/plot/draw/scale.ts";
export type { AttentionMapOptions } from "./lib/plot/attention_map.ts";
export type { AttentionRowOptions } from "./lib/plot/attention_row.ts";
export type { TokenHeatOptions, TokenScores } from "./lib/plot/token_heat.ts";
export type { AttentionMatrix, PooledAttention } from "./lib/plot/map/map_grid.ts";
export type { PlanOverlay, PlanTile } from "./lib/plot/map/plan_overlay.ts";
export type { HeadGridOptions, HeadMatrix, HeadValue } from "./lib/plot/head_grid.ts";
export type { RetrievalRow, RetrievalTraceOptions } from "./lib/plot/retrieval_trace.ts";
export type { NeedleAnswer, NeedleCell, NeedleGridOptions } from "./lib/plot/needle_grid.ts";
export type {
  RunCounts,
  RunMemory,
  RunParts,
  RunPhase,
  RunReport,
} from "./lib/plot/run_summary.ts";
export type {
  RooflineData,
  RooflinePeak,
  RooflinePoint,
  RooflineRead,
} from "./lib/plot/roofline.ts";
export type { PatternFile, PatternHead, PatternLayer } from "./lib/plot/pattern_grid.ts";
export type { PatternOverlayOptions, PlannedRows, PlanValue } from "./lib/plot/pattern_overlay.ts";
export type { PlanLook } from "./lib/plot/map/plan_overlay.ts";
export type { BudgetTrial, RecallBudgetOptions } from "./lib/plot/recall_budget.ts";
export type { LogitTableOptions, MethodLogits } from "./lib/plot/logit_table.ts";
export type { LatencyCeiling, LatencyOptions, LatencyPoint } from "./lib/plot/latency.ts";
export {
  type CountedDistances,
  type HeadShift,
  measureShift,
  type ShiftDistances,
  type ShiftVectors,
} from "./lib/plot/query_key_shift.ts";
export type { IndexReportOptions, IndexReportRow, IndexTargets } from "./lib/plot/index_report.ts";
export type { KeyRange, KvTimelineStep } from "./lib/plot/kv_timeline.ts";
export type { CompareFiguresOptions } from "./lib/plot/compare.ts";

// Traces
export type { SessionTrace } from "./lib/engine/tracing.ts";
export { readTrace, type ReadTraceOptions, type TraceTables } from "./lib/trace/reader.ts";
export type { TraceOptions, TraceRecording } from "./lib/trace/recorder.ts";
export {
  TRACE_TABLES,
  TRACE_VERSION,
  type TraceColumn,
  type TraceRow,
  type TraceTable,
  type TraceValue,
  type TraceValues,
} from "./lib/trace/schema.ts";
export type { ArrowField, ArrowType } from "./lib/trace/arrow_stream.ts";
export { TraceError } from "./lib/trace/trace_error.ts";

// Errors
export {
  BackendError,
  BudgetError,
  CancelledError,
  DownloadError,
  type DownloadReason,
  LibraryError,
  ModelFormatError,
  SessionBusyError,
  SessionFileError,
  ShapeError,
  TokenizerError,
} from "./lib/engine/errors.ts";
