import type { RunControl } from "../../ffi/backend.ts";
import { BackendError, SessionBusyError } from "../../ffi/errors.ts";
import type { Method } from "../attention/method.ts";
import type { PagedCache } from "../cache/paged_cache.ts";
import type { ChatMessage } from "../model/chat_template.ts";
import type { Tokenizer } from "../model/types.ts";
import { type ChatOptions, type ChatTurn, chatTurn, type HeldChat } from "./chat.ts";
import { Forward, type ForwardEvent, type ForwardRequest, type Phase } from "./forward.ts";
import {
  Answering,
  type AskOptions,
  framed,
  type GenerateOptions,
  type Generation,
} from "./generate.ts";
import { type CaptureWish, GenerationRun } from "./generation_run.ts";
import { type Hook, type HookOptions, Hooks } from "./hooks.ts";
import { type AttentionMap, type MapOptions, newMap, poolRows } from "./map.ts";
import { type SessionMemory, sessionMemory } from "./memory.ts";
import { recordLayer } from "./record.ts";
import { listenForStop, Run, throwIfAborted } from "./run.ts";
import { sample, type SamplingOptions } from "./sampler.ts";
import { type Score, scoreOf, type ScoreOptions } from "./score.ts";
import { randomAt } from "./seed.ts";
import { saveSession } from "./session_file/save.ts";
import { filePath } from "./session_file/file_path.ts";
import { emptyState, type SessionState } from "./session_state.ts";
import type {
  FileProgress,
  Prefill,
  PrefillOptions,
  Progress,
  SavedFile,
  SaveOptions,
  SessionModel,
  SessionOptions,
  StepOptions,
  WalkOptions,
} from "./session_types.ts";
import type { LayerState } from "./state.ts";
import { type CaptureOptions, type LayerRecord, Step } from "./step.ts";
import { type Segment, TokenLog } from "./token_log.ts";
import { type SessionTrace, Tracing } from "./tracing.ts";

/** Where the next token is chosen from. */
interface NextLogits {
  readonly logits: Float32Array;
  readonly records: readonly LayerRecord[];
  /** Whether attention rows were asked for. */
  readonly captured: boolean;
}

let create: (model: SessionModel, options: SessionOptions, start?: SessionState) => Session;

/** A session of a model: an empty one, or one that goes on from `start` and owns its cache. */
export function openSession(
  model: SessionModel,
  options: SessionOptions,
  start?: SessionState,
): Session {
  return create(model, options, start);
}

/** Tokens to read, and the plans they get. */
interface Part {
  readonly ids: Int32Array;
  readonly phase: Phase;
}

/** Rows that decode together when a question is read. */
const DECODE_ROWS = 64;

/**
 * A conversation with a model: tokens, their keys and values, and an attention method.
 *
 * The last token is held back until something follows it, so that the row an answer token comes from always goes
 * through the method's decode plan and never through a prefill.
 */
export class Session {
  /** Functions that see and change the states of every pass. */
  readonly hooks: { add(options: HookOptions, hook: Hook): () => void; clear(): void };
  /** Writes down what the session runs. */
  readonly trace: SessionTrace;
  readonly #hooks = new Hooks();
  readonly #tracing: Tracing;
  readonly #model: SessionModel;
  readonly #options: SessionOptions;
  readonly #cache: PagedCache;
  readonly #forward: Forward;
  #seed: number;
  readonly #log: TokenLog;
  /** What `layers()` ended with and no step has used. */
  #walked: NextLogits | null = null;
  #contextTokens = 0;
  #chat: HeldChat | null;
  #stream: ReturnType<Tokenizer["stream"]>;
  #streamStart: number;
  #busy: { name: string; stop: () => void } | null = null;
  #closed = false;

  static {
    create = (model, options, start) => new Session(model, options, start);
  }

  private constructor(
    model: SessionModel,
    options: SessionOptions,
    start: SessionState = emptyState(model, options),
  ) {
    const { backend, config, weights } = model;
    this.#model = model;
    this.#options = options;
    this.#cache = start.cache;
    const parts = { backend, config, weights, cache: this.#cache, method: options.attention };
    this.#forward = new Forward(parts, 1);
    this.#seed = options.seed;
    this.#log = start.log;
    this.#contextTokens = start.contextTokens;
    this.#chat = start.chat;
    this.#stream = model.tokenizer.stream();
    this.#streamStart = start.streamStart;
    for (const id of this.#log.ids.slice(start.streamStart)) this.#stream.push(id);
    this.hooks = this.#hooks;
    this.trace = this.#tracing = new Tracing({
      backend,
      config,
      attention: options.attention,
      kv: options.kv,
      tokens: () => this.#log.length,
      check: (action) => this.#check(action),
    });
    model.onOpen(this);
  }

  /** Number of tokens. */
  get length(): number {
    return this.#log.length;
  }

  /** Ids of all tokens. */
  get ids(): Int32Array {
    return Int32Array.from(this.#log.ids);
  }

  /** Text of each token, to show: half a character as `<0xE2>`, special tokens by name. */
  get tokens(): string[] {
    return this.#log.ids.map((id) => this.#model.tokenizer.piece(id));
  }

  /** Text of all tokens, special tokens left out. */
  get text(): string {
    return this.#model.tokenizer.decode(this.#log.ids);
  }

  /** The attention method. */
  get attention(): Method {
    return this.#options.attention;
  }

  /** Bytes of keys and values, and how many of them the method needs at hand. */
  memory(): SessionMemory {
    return sessionMemory(this.#cache, this.#options.attention, this.#model.config);
  }

  /**
   * Reads `text` (or ids) in chunks with the method's prefill plans. The first text gets a BOS token, a second is
   * appended. After an abort the session holds the chunks that were completed.
   *
   * @throws {SessionBusyError} while another run is active
   * @throws {BudgetError} when keys and values would not fit; nothing is added
   */
  prefill(
    text: string | Int32Array,
    options: PrefillOptions = {},
  ): Run<Progress, Prefill> {
    return this.#run("prefill", options.signal, async (emit, signal, control) => {
      const began = performance.now();
      const added = await this.#read(text, "prefill", emit, signal, control);
      return { tokens: added, ms: performance.now() - began };
    });
  }

  /**
   * Reads a question with the method's decode plans and answers it. The question is put as
   * `"\nQuestion: {question}\nAnswer:"` unless `template` says otherwise, and the answer ends at a line break unless
   * `stop` does.
   *
   * @throws {SessionBusyError} while another run is active
   */
  ask(question: string, options: AskOptions = {}): GenerationRun<Progress | Step> {
    const text = framed(question, options.template);
    const { stop = ["\n"] } = options;
    return this.#generation("ask", options, async (emit, signal, control, wish) => {
      const answering = new Answering({ ...options, stop }, this.#model.config.eosIds);
      await this.#read(text, "decode", emit, signal, control);
      return await this.#generate(answering, options, wish, emit, signal, control);
    });
  }

  /**
   * Answers a conversation, put into words by the model's chat template: a list that ends with the user's message. What
   * stands before the last user message gets the method's prefill plans, that message and the answer its decode plans;
   * `question` says where in a long message the question begins. The answer ends where the model ends it.
   *
   * A second call takes the same messages, the answer as the assistant's, and new ones; only what is new is read. The
   * answer is all that the session generated, special tokens and what `stop` cut off included. The text of the template
   * counts as it stands: it brings its own BOS token. After an abort while it reads, the session holds what it held
   * before; after one while it answers, also what it has answered.
   *
   * @throws {SessionBusyError} while another run is active
   * @throws {TokenizerError} when the model has no chat template, or the template refuses the messages
   * @throws {RangeError} when the messages do not continue what the session holds
   */
  chat(
    messages: readonly ChatMessage[],
    options: ChatOptions = {},
  ): GenerationRun<Progress | Step> {
    return this.#generation("chat", options, async (emit, signal, control, wish) => {
      const answering = new Answering(options, this.#model.config.eosIds);
      const { chatTemplate } = this.#model.tokenizer;
      const turn = await chatTurn(
        chatTemplate,
        messages,
        options,
        this.#heldChat(),
        this.#answer(),
      );
      await this.#readChat(turn, emit, signal, control);
      return await this.#generate(answering, options, wish, emit, signal, control);
    });
  }

  /**
   * Generates up to `maxTokens` tokens.
   *
   * @throws {SessionBusyError} while another run is active
   * @throws {RangeError} for an empty session or sampling options out of range
   */
  generate(options: GenerateOptions = {}): GenerationRun<Step> {
    return this.#generation("generate", options, async (emit, signal, control, wish) => {
      const answering = new Answering(options, this.#model.config.eosIds);
      return await this.#generate(answering, options, wish, emit, signal, control);
    });
  }

  /** Generates one token. See {@link generate} for errors. */
  step(options: StepOptions = {}): Promise<Step> {
    const run = this.#run(
      "step",
      options.signal,
      (_emit, signal, control) => this.#step(options, options.capture, signal, control),
    );
    return run.then((step) => step);
  }

  /**
   * Passes the last token through the model, stopping at every place; each state can be read and replaced. After the
   * last state, `step()` chooses from the logits it ended with and shows what was recorded. Leaving the loop early
   * changes nothing.
   */
  layers(options: WalkOptions = {}): AsyncGenerator<LayerState, void> {
    const walk = this.#walk(options, () => void walk.return());
    return walk;
  }

  /**
   * The dense attention of one head over the whole text, pooled to at most `bins` x `bins`. Queries are recomputed
   * with the plans their rows were computed with and the session's hooks; the softmax is over all keys, or those of the
   * layer's sliding window where the model has one.
   */
  map(layer: number, head: number, options: MapOptions = {}): Promise<AttentionMap> {
    const run = this.#run("map", options.signal, async (_emit, signal, control) => {
      const { config, backend } = this.#model;
      await this.#advance(this.#log.length, () => {}, signal, control);
      const map = newMap(config, layer, head, this.#cache.length, options.bins);
      const kv = this.#cache.view(layer);
      for (const { start, count } of this.#segments(0, this.#cache.length)) {
        throwIfAborted(signal);
        const request = { ...this.#request(start, count, control), replayTo: layer };
        for await (const { state, tensors } of this.#forward.pass(request)) {
          await this.#hooks.call(state);
          if (state.stage !== "qkv" || state.layer !== layer) continue;
          await poolRows(backend, config, map, { q: tensors.q, start }, kv, control);
        }
      }
      return map.finish();
    });
    return run.then((map) => map);
  }

  /**
   * Log-probabilities of a text after what the session holds, with the session's hooks (but for those at `logits`, which
   * is not passed). The session is not changed.
   */
  score(text: string | Int32Array, options: ScoreOptions = {}): Promise<Score> {
    const run = this.#run("score", options.signal, async (_emit, signal, control) => {
      const fork = this.#forked({});
      fork.#hooks.adopt(this.#hooks);
      try {
        return await fork.#score(text, options, signal, control);
      } finally {
        fork.close();
      }
    });
    return run.then((score) => score);
  }

  /**
   * A session with the same tokens that shares their keys and values until one of the two goes on. Hooks stay with
   * this one.
   */
  fork(options: { attention?: Method } = {}): Session {
    this.#check("fork");
    return this.#forked(options);
  }

  /**
   * Writes tokens, keys, values and options to one file, from which `Model.restore` makes a session that goes on just
   * as this one. The file changes all at once: whoever is killed when, it is the old one or the new one. Hooks are not
   * saved, nor what `layers()` ended with.
   *
   * @throws {SessionBusyError} while another run is active
   * @throws {SessionFileError} when it cannot be written; an old file stays
   */
  save(path: string | URL, options: SaveOptions = {}): Run<FileProgress, SavedFile> {
    return this.#run("save", options.signal, async (emit, signal, control) => {
      const settings = { ...this.#options, seed: this.#seed };
      const session = { model: this.#model, options: settings, state: this.#state() };
      return await saveSession(session, filePath(path), { emit, signal, control });
    });
  }

  /** Stops a running run, then frees keys, values and activations. Calling it twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#busy) this.#busy.stop();
    else this.#free();
  }

  /** Same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  async *#walk(options: WalkOptions, leave: () => void): AsyncGenerator<LayerState, void> {
    this.#check("walk the layers");
    const control = this.#model.backend.control();
    const release = listenForStop(options.signal, () => control.cancel());
    const stop = () => {
      control.cancel();
      leave();
    };
    this.#busy = { name: "layers", stop };
    try {
      this.#tracing.start("layers");
      this.#holdBack();
      this.#walked = null;
      const records: LayerRecord[] = [];
      for await (const event of this.#forward.pass(this.#lastRow(control))) {
        await this.#hooks.call(event.state);
        if (event.decoded) records.push(await this.#record(event, options.capture));
        yield event.state;
      }
      this.#log.setPhase(this.#log.length - 1, "decode");
      this.#walked = { logits: this.#forward.readLogits(), records, captured: !!options.capture };
      await this.#tracing.finish();
    } catch (error) {
      await this.#tracing.stop(error, options.signal);
      throw error;
    } finally {
      await this.#tracing.leave();
      release();
      this.#release();
    }
  }

  #forked(options: { attention?: Method }): Session {
    const { attention = this.#options.attention } = options;
    const changed = attention !== this.#options.attention;
    const settings = { ...this.#options, attention, seed: this.#seed };
    const state = { ...this.#state(), cache: this.#cache.fork(), log: new TokenLog(this.#log) };
    const fork = new Session(this.#model, settings, state);
    if (!changed) fork.#walked = this.#walked;
    return fork;
  }

  #state(): SessionState {
    return {
      cache: this.#cache,
      log: this.#log,
      contextTokens: this.#contextTokens,
      chat: this.#chat,
      streamStart: this.#streamStart,
    };
  }

  #startStream(): void {
    this.#stream = this.#model.tokenizer.stream();
    this.#streamStart = this.#log.length;
  }

  #run<Event, Result>(
    name: string,
    signal: AbortSignal | undefined,
    work: (
      emit: (event: Event) => void,
      signal: AbortSignal,
      control: RunControl,
    ) => Promise<Result>,
  ): Run<Event, Result> {
    return this.#start(
      name,
      (controlOf, onSettled) =>
        new Run(
          (emit, inner) =>
            this.#tracing.run(name, inner, () => work(emit, inner, controlOf(inner))),
          { signal, onSettled },
        ),
    );
  }

  #generation<Event>(
    name: string,
    { signal, capture }: GenerateOptions,
    work: (
      emit: (event: Event) => void,
      signal: AbortSignal,
      control: RunControl,
      wish: CaptureWish,
    ) => Promise<Generation>,
  ): GenerationRun<Event> {
    const { tokenizer } = this.#model;
    const source = {
      method: this.attention.name,
      tokens: (start: number, end: number) =>
        this.#log.ids.slice(start, end).map((id) => tokenizer.piece(id)),
      memory: () => this.memory(),
    };
    return this.#start(name, (controlOf, onSettled) =>
      new GenerationRun(
        (emit, inner, wish) =>
          this.#tracing.run(name, inner, () => work(emit, inner, controlOf(inner), wish)),
        { signal, capture, source, onSettled },
      ));
  }

  #start<Started extends { cancel(): void }>(
    name: string,
    start: (controlOf: (signal: AbortSignal) => RunControl, onSettled: () => void) => Started,
  ): Started {
    this.#check(name);
    const control = this.#model.backend.control();
    const controlOf = (signal: AbortSignal) => {
      signal.addEventListener("abort", () => control.cancel(), { once: true });
      return control;
    };
    const run = start(controlOf, () => this.#release());
    this.#busy = { name, stop: () => run.cancel() };
    return run;
  }

  #check(action: string): void {
    if (this.#closed) {
      throw new BackendError(`Cannot ${action} as the session is closed`);
    }
    if (this.#busy) {
      throw new SessionBusyError(
        `Cannot ${action} as the session is busy: current run is ${this.#busy.name}`,
      );
    }
  }

  #release(): void {
    this.#busy = null;
    if (this.#closed) this.#free();
  }

  #free(): void {
    this.#tracing.close();
    this.#forward.close();
    this.#cache.close();
    this.#model.onClose(this);
  }

  /** Takes the last token out of the cache, so that a pass can follow from it. */
  #holdBack(): void {
    if (this.#log.length === 0) {
      throw new RangeError("Cannot step as the session holds no tokens: prefill a text first");
    }
    if (this.#cache.length === this.#log.length) this.#cache.truncate(this.#log.length - 1);
  }

  #encode(text: string | Int32Array): Int32Array {
    const bos = this.#log.length === 0;
    const ids = typeof text === "string" ? this.#model.tokenizer.encode(text, { bos }) : text;
    const { vocab } = this.#model.config;
    const wrong = ids.find((id) => id < 0 || id >= vocab);
    if (wrong === undefined) return ids;
    throw new RangeError(`Cannot read ids as each must be < ${vocab}: current value is ${wrong}`);
  }

  async #read(
    text: string | Int32Array,
    phase: Phase,
    emit: (event: Progress) => void,
    signal: AbortSignal,
    control: RunControl,
  ): Promise<number> {
    const ids = this.#encode(text);
    await this.#readParts([{ ids, phase }], emit, signal, control);
    return ids.length;
  }

  async #readParts(
    parts: readonly Part[],
    emit: (event: Progress) => void,
    signal: AbortSignal,
    control: RunControl,
  ): Promise<void> {
    const [before, contextTokens] = [this.#log.length, this.#contextTokens];
    const added = parts.reduce((sum, { ids }) => sum + ids.length, 0);
    this.#cache.checkFits(before + added, this.#options.memoryBytes);
    this.#push(parts);
    try {
      await this.#advance(this.#log.length - 1, emit, signal, control);
    } catch (error) {
      this.#log.truncate(Math.max(before, this.#cache.length));
      this.#startStream();
      if (this.#cache.length === 0) this.#contextTokens = contextTokens;
      throw error;
    }
  }

  async #readChat(
    { text, context, question, nowMs }: ChatTurn,
    emit: (event: Progress) => void,
    signal: AbortSignal,
    control: RunControl,
  ): Promise<void> {
    const contextTokens = this.#contextTokens;
    const end = this.#takeAnswerEnd();
    const before = this.#log.length;
    try {
      const parts: Part[] = [
        { ids: this.#encode(context), phase: "prefill" },
        { ids: this.#encode(question), phase: "decode" },
      ];
      await this.#readParts(parts, emit, signal, control);
    } catch (error) {
      this.#truncate(before);
      this.#log.push(end, "decode");
      if (before === 0) this.#contextTokens = contextTokens;
      throw error;
    }
    this.#chat = { text, tokens: this.#log.length, nowMs };
  }

  #heldChat(): HeldChat | null {
    if (this.#chat !== null || this.#log.length === 0) return this.#chat;
    throw new RangeError(
      "Cannot chat as the session holds a text that is no conversation, open a new session: current value is " +
        `${this.#log.length} tokens`,
    );
  }

  /** What was generated after the conversation that is held, without the token that ended it. */
  #answer(): string {
    const end = this.#log.length - (this.#answerEnded() ? 1 : 0);
    const ids = this.#log.ids.slice(this.#chat?.tokens ?? 0, end);
    return this.#model.tokenizer.decode(ids, { special: true });
  }

  #answerEnded(): boolean {
    const last = this.#log.ids.at(-1);
    const answered = this.#chat !== null && this.#log.length > this.#chat.tokens;
    return answered && this.#model.config.eosIds.includes(last!);
  }

  /** The template writes the end of an answer itself. */
  #takeAnswerEnd(): number[] {
    const end = this.#answerEnded() ? this.#log.ids.slice(-1) : [];
    if (end.length > 0) this.#truncate(this.#log.length - 1);
    return end;
  }

  #truncate(length: number): void {
    this.#log.truncate(length);
    if (this.#cache.length > length) this.#cache.truncate(length);
    this.#walked = null;
    this.#startStream();
  }

  #push(parts: readonly Part[]): void {
    const before = this.#log.length;
    for (const { ids, phase } of parts) this.#log.push(ids, phase);
    if (this.#log.length === before) return;
    this.#walked = null;
    this.#startStream();
    this.#contextTokens ||= this.#log.length;
  }

  /** Passes tokens through the model until `target` of them are in the cache. */
  async #advance(
    target: number,
    emit: (event: Progress) => void,
    signal: AbortSignal,
    control: RunControl,
  ): Promise<void> {
    const first = this.#cache.length;
    const began = performance.now();
    for (const segment of this.#segments(first, target)) {
      const { start, count, phase } = segment;
      throwIfAborted(signal);
      const chunkBegan = performance.now();
      await this.#pass(this.#request(start, count, control), ({ state }) => {
        if (phase === "prefill") this.#tracing.planned(state);
      });
      await this.#tracing.read(segment, performance.now() - chunkBegan);
      const done = start + count - first;
      emit({
        kind: "progress",
        phase,
        done,
        total: target - first,
        ms: performance.now() - began,
      });
    }
  }

  #segments(first: number, end: number): Iterable<Segment> {
    const limits = { prefill: this.#options.chunkTokens, decode: DECODE_ROWS };
    return this.#log.segments(first, end, limits);
  }

  #request(start: number, count: number, control: RunControl): ForwardRequest {
    const phase = this.#log.phaseAt(start);
    const contextTokens = this.#contextTokens;
    return {
      ids: this.#log.slice(start, count),
      start,
      phase,
      logits: false,
      contextTokens,
      control,
    };
  }

  /** The row that the next token is chosen from; whatever it was read for, it gets the decode plans. */
  #lastRow(control: RunControl): ForwardRequest {
    const row = this.#request(this.#log.length - 1, 1, control);
    return { ...row, phase: "decode", logits: true };
  }

  async #pass(
    request: ForwardRequest,
    visit: (event: ForwardEvent) => void | Promise<void> = () => {},
  ): Promise<void> {
    for await (const event of this.#forward.pass(request)) {
      await this.#hooks.call(event.state);
      await visit(event);
    }
  }

  async #step(
    options: SamplingOptions,
    capture: CaptureOptions | undefined,
    signal: AbortSignal,
    control: RunControl,
  ): Promise<Step> {
    const began = performance.now();
    throwIfAborted(signal);
    const { logits, records } = this.#afterWalk(capture) ??
      await this.#nextLogits(capture, control);
    const index = this.#log.length;
    const token = sample(logits, options, randomAt(this.#seed, index), this.#log.ids);
    this.#log.push([token], "decode");
    this.#walked = null;
    const text = this.#stream.push(token);
    const ms = performance.now() - began;
    const step = new Step({ token, text, index, logits, ms }, records);
    await this.#tracing.step(step);
    return step;
  }

  #afterWalk(capture: CaptureOptions | undefined): NextLogits | null {
    if (capture && this.#walked && !this.#walked.captured) {
      throw new RangeError(
        "Cannot capture as layers() has computed this step: ask for it with layers({ capture })",
      );
    }
    return this.#walked;
  }

  async #nextLogits(
    capture: CaptureOptions | undefined,
    control: RunControl,
  ): Promise<NextLogits> {
    this.#holdBack();
    this.#cache.checkFits(this.#log.length, this.#options.memoryBytes);
    const records: LayerRecord[] = [];
    await this.#pass(this.#lastRow(control), async (event) => {
      if (event.decoded) records.push(await this.#record(event, capture));
    });
    this.#log.setPhase(this.#log.length - 1, "decode");
    return { logits: this.#forward.readLogits(), records, captured: !!capture };
  }

  #record(event: ForwardEvent, capture: CaptureOptions | undefined): Promise<LayerRecord> {
    const { backend, config } = this.#model;
    const place = { backend, config, cache: this.#cache, position: this.#log.length - 1 };
    return recordLayer(place, event, capture);
  }

  async #generate(
    answering: Answering,
    options: GenerateOptions,
    wish: CaptureWish,
    emit: (event: Step) => void,
    signal: AbortSignal,
    control: RunControl,
  ): Promise<Generation> {
    this.#seed = options.seed ?? this.#seed;
    this.#startStream();
    while (!answering.ended) {
      const late = wish.capture !== options.capture;
      // What layers() computed without rows stays so, unless the caller's own options ask for them.
      const capture = late && this.#walked?.captured === false ? undefined : wish.capture;
      const step = await this.#step(options, capture, signal, control);
      answering.add(step);
      emit(step);
    }
    const rest = this.#stream.flush();
    // Half a character was given up: a fork or a file must not hold it either.
    if (rest !== "") this.#startStream();
    return answering.finish(rest);
  }

  async #score(
    text: string | Int32Array,
    options: ScoreOptions,
    signal: AbortSignal,
    control: RunControl,
  ): Promise<Score> {
    const before = this.#log.length;
    const { phase = before === 0 ? "prefill" : "decode" } = options;
    const ids = this.#encode(text);
    this.#cache.checkFits(before + ids.length, this.#options.memoryBytes);
    this.#push([{ ids, phase }]);
    const logProbs = new Float32Array(ids.length).fill(NaN);
    if (before > 0) this.#holdBack();
    for (const { start, count } of this.#segments(this.#cache.length, this.#log.length - 1)) {
      throwIfAborted(signal);
      await this.#pass(this.#request(start, count, control));
      const targets = this.#log.slice(start + 1, count);
      logProbs.set(await this.#forward.logProbs(targets, control), start + 1 - before);
    }
    return scoreOf(ids, logProbs, this.#model.tokenizer);
  }
}
