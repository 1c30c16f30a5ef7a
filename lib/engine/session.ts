import { resolve } from "node:path";
import type { Method } from "../attention/method.ts";
import type { ChatMessage } from "../model/chat_template.ts";
import { filePath } from "../trace/file_path.ts";
import type { ChatOptions } from "./chat.ts";
import { Conversation } from "./conversation.ts";
import { Forward } from "./forward.ts";
import {
  Answering,
  type AskOptions,
  framed,
  type GenerateOptions,
  type Generation,
} from "./generate.ts";
import type { CaptureWish, GenerationRun } from "./generation_run.ts";
import { type LayerProbe, probeLayers, type ProbeOptions } from "./head_probe.ts";
import { HeldTokens } from "./held_tokens.ts";
import { type Hook, type HookOptions, Hooks } from "./hooks.ts";
import { type AttentionMap, mapHead, type MapOptions } from "./map.ts";
import { type SessionMemory, sessionMemory } from "./memory.ts";
import type { LayerIndexStats } from "./session_indexes.ts";
import { Passes } from "./passes.ts";
import { Reader } from "./reader.ts";
import type { Run, RunScope } from "./run.ts";
import { type Score, type ScoreOptions, scoreText } from "./score.ts";
import { saveSession } from "./session_file/save.ts";
import { SessionRuns } from "./session_runs.ts";
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
import type { Step } from "./step.ts";
import { Stepper } from "./stepper.ts";
import { TokenLog } from "./token_log.ts";
import { type SessionTrace, Tracing } from "./tracing.ts";

let create: (model: SessionModel, options: SessionOptions, start?: SessionState) => Session;

/** A session of a model: an empty one, or one that goes on from `start` and owns its cache. */
export function openSession(
  model: SessionModel,
  options: SessionOptions,
  start?: SessionState,
): Session {
  return create(model, options, start);
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
  readonly #model: SessionModel;
  readonly #options: SessionOptions;
  readonly #held: HeldTokens;
  readonly #hooks = new Hooks();
  readonly #passes: Passes;
  readonly #runs: SessionRuns;
  readonly #reader: Reader;
  readonly #stepper: Stepper;
  readonly #conversation: Conversation;

  static {
    create = (model, options, start) => new Session(model, options, start);
  }

  private constructor(
    model: SessionModel,
    options: SessionOptions,
    start: SessionState = emptyState(model, options),
  ) {
    const { backend, config, weights } = model;
    const { attention, chunkTokens, kv, seed } = options;
    this.#model = model;
    this.#options = options;
    const held = this.#held = new HeldTokens(model, options, start);
    const { cache, indexes } = held;
    const parts = { backend, config, weights, cache, indexes, method: attention };
    const forward = new Forward(parts, 1);
    const limits = { prefill: chunkTokens, decode: DECODE_ROWS };
    const passes = this.#passes = new Passes({ held, forward, hooks: this.#hooks, limits });
    const tracing = new Tracing({
      backend,
      config,
      attention,
      kv,
      tokens: () => held.length,
      check: (action) => this.#runs.check(action),
    });
    const free = () => {
      tracing.close();
      forward.close();
      held.indexes.close();
      held.cache.close();
      model.onClose(this);
    };
    this.#runs = new SessionRuns({ control: () => backend.control(), tracing, free });
    const reader = this.#reader = new Reader(passes, tracing);
    this.#stepper = new Stepper({ model, passes, tracing, seed });
    this.#conversation = new Conversation({ model, held, reader }, start.chat);
    this.hooks = this.#hooks;
    this.trace = tracing;
    model.onOpen(this);
  }

  /** Number of tokens. */
  get length(): number {
    return this.#held.length;
  }

  /** Ids of all tokens. */
  get ids(): Int32Array {
    return Int32Array.from(this.#held.log.ids);
  }

  /** Text of each token, to show: half a character as `<0xE2>`, special tokens by name. */
  get tokens(): string[] {
    return this.#pieces(0, this.length);
  }

  /** Text of all tokens, special tokens left out. */
  get text(): string {
    return this.#model.tokenizer.decode(this.#held.log.ids);
  }

  /** The attention method. */
  get attention(): Method {
    return this.#options.attention;
  }

  /** Bytes of keys and values, and how many of them the method needs at hand. */
  memory(): SessionMemory {
    const { cache, indexes } = this.#held;
    return sessionMemory(cache, indexes, this.#options.attention, this.#model.config);
  }

  /** What each index over the keys was asked for, took and takes, layer by layer. */
  indexes(): LayerIndexStats[] {
    return this.#held.indexes.stats();
  }

  /**
   * Builds the indexes that the method asks over what the session holds, as a prefill does at its end. Without it they are built when
   * they are first asked: forks that are made before each build their own.
   *
   * @throws {SessionBusyError} while another run is active
   */
  buildIndexes(options: PrefillOptions = {}): Run<Progress, LayerIndexStats[]> {
    return this.#runs.run("buildIndexes", options.signal, async (scope: RunScope<Progress>) => {
      await this.#reader.index(this.attention, scope);
      return this.indexes();
    });
  }

  /**
   * Reads `text` (or ids) in chunks with the method's prefill plans, then builds the indexes that the method asks. The first text gets a BOS token, a second is
   * appended. After an abort the session holds the chunks that were completed.
   *
   * @throws {SessionBusyError} while another run is active
   * @throws {BudgetError} when keys and values would not fit; nothing is added
   */
  prefill(
    text: string | Int32Array,
    options: PrefillOptions = {},
  ): Run<Progress, Prefill> {
    return this.#runs.run("prefill", options.signal, async (scope: RunScope<Progress>) => {
      const began = performance.now();
      const ids = this.#held.encode(text);
      await this.#reader.read([{ ids, phase: "prefill" }], scope);
      await this.#reader.index(this.attention, scope);
      return { tokens: ids.length, ms: performance.now() - began };
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
    return this.#generation("ask", options, async (scope: RunScope<Progress | Step>, wish) => {
      const answering = new Answering({ ...options, stop }, this.#model.config.eosIds);
      await this.#reader.read([{ ids: this.#held.encode(text), phase: "decode" }], scope);
      return await this.#stepper.generate(answering, options, wish, scope);
    });
  }

  /**
   * Answers a conversation, put into words by the model's chat template: a list that ends with the user's message. What
   * stands before the last user message gets the method's prefill plans, that message and the answer its decode plans;
   * `question` says where in a long message the question begins. The answer ends where the model ends it.
   *
   * A second call takes the same messages, the answer as the assistant's, and new ones; only what is new is read. The
   * answer is all that the session generated, special tokens included; what `stop` cut off, and what came after it, may
   * be left out, and the session then forgets it. The text of the template counts as it stands: it brings its own BOS
   * token. After an abort while it reads, the session holds what it held before, less what it had to forget; after one
   * while it answers, also what it has answered, which belongs to the messages of a second call.
   *
   * @throws {SessionBusyError} while another run is active
   * @throws {TokenizerError} when the model has no chat template, or the template refuses the messages
   * @throws {RangeError} when the messages do not continue what the session holds
   */
  chat(
    messages: readonly ChatMessage[],
    options: ChatOptions = {},
  ): GenerationRun<Progress | Step> {
    return this.#generation("chat", options, async (scope: RunScope<Progress | Step>, wish) => {
      const answering = new Answering(options, this.#model.config.eosIds);
      await this.#conversation.read(messages, options, scope);
      const answer = await this.#stepper.generate(answering, options, wish, scope);
      this.#conversation.answered(answer);
      return answer;
    });
  }

  /**
   * Generates up to `maxTokens` tokens.
   *
   * @throws {SessionBusyError} while another run is active
   * @throws {RangeError} for an empty session or sampling options out of range
   */
  generate(options: GenerateOptions = {}): GenerationRun<Step> {
    return this.#generation("generate", options, async (scope: RunScope<Step>, wish) => {
      const answering = new Answering(options, this.#model.config.eosIds);
      return await this.#stepper.generate(answering, options, wish, scope);
    });
  }

  /** Generates one token. See {@link generate} for errors. */
  step(options: StepOptions = {}): Promise<Step> {
    const run = this.#runs.run(
      "step",
      options.signal,
      (scope) => this.#stepper.step(options, options.capture, scope),
    );
    return run.then((step) => step);
  }

  /**
   * Passes the last token through the model, stopping at every place; each state can be read and replaced. After the
   * last state, `step()` chooses from the logits it ended with and shows what was recorded. Leaving the loop early
   * changes nothing.
   */
  layers(options: WalkOptions = {}): AsyncGenerator<LayerState, void> {
    const { capture, signal } = options;
    const how = { name: "layers", action: "walk the layers", signal };
    return this.#runs.loop(how, (control) => this.#stepper.walk(capture, control));
  }

  /**
   * Passes a text through the model densely, all its tokens together, and stops at each layer: there plans can be tried on its
   * queries and keys, beside dense attention, in chunks of `chunkTokens`. The text begins the context, hooks are not called,
   * and the session does not change. Activations of all tokens are held besides keys and values.
   *
   * @throws {SessionBusyError} while another run is active
   * @throws {BudgetError} when keys and values would not fit
   */
  probe(text: string | Int32Array, options: ProbeOptions = {}): AsyncGenerator<LayerProbe, void> {
    const { signal, layers } = options;
    const how = { name: "probe", action: "probe the layers", signal };
    return this.#runs.loop(how, (control) => {
      const ids = this.#held.encode(text);
      return probeLayers(this.#model, this.#settings(), ids, layers, control);
    });
  }

  /**
   * The dense attention of one head over the whole text, pooled to at most `bins` x `bins`. Queries are recomputed
   * with the plans their rows were computed with and the session's hooks; the softmax is over all keys, or those of the
   * layer's sliding window where the model has one.
   */
  map(layer: number, head: number, options: MapOptions = {}): Promise<AttentionMap> {
    const run = this.#runs.run("map", options.signal, async (scope: RunScope<Progress>) => {
      await this.#reader.advance(this.length, scope);
      return await mapHead(this.#model, this.#passes, { layer, head }, options.bins, scope);
    });
    return run.then((map) => map);
  }

  /**
   * Log-probabilities of a text after what the session holds, with the session's hooks (but for those at `logits`, which
   * is not passed). The session is not changed.
   */
  score(text: string | Int32Array, options: ScoreOptions = {}): Promise<Score> {
    const run = this.#runs.run("score", options.signal, async (scope) => {
      const fork = this.#forked({});
      fork.#hooks.adopt(this.#hooks);
      try {
        return await scoreText(this.#model.tokenizer, fork.#passes, text, options, scope);
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
    this.#runs.check("fork");
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
    return this.#runs.run("save", options.signal, async (scope: RunScope<FileProgress>) => {
      const session = { model: this.#model, options: this.#settings(), state: this.#state() };
      return await saveSession(session, resolve(filePath(path)), scope);
    });
  }

  /** Stops a running run, then frees keys, values and activations. Calling it twice is fine. */
  close(): void {
    this.#runs.close();
  }

  /** Same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }

  #forked({ attention = this.attention }: { attention?: Method }): Session {
    const settings = { ...this.#settings(), attention };
    const { cache, indexes, log } = this.#held;
    const own = { cache: cache.fork(), indexes: indexes.fork(), log: new TokenLog(log) };
    const state = { ...this.#state(), ...own };
    const fork = new Session(this.#model, settings, state);
    if (attention === this.attention) fork.#held.next = this.#held.next;
    return fork;
  }

  /** The options, with the seed that it goes on with. */
  #settings(): SessionOptions {
    return { ...this.#options, seed: this.#stepper.seed };
  }

  #state(): SessionState {
    const { cache, indexes, log, contextTokens, streamStart } = this.#held;
    return { cache, indexes, log, contextTokens, chat: this.#conversation.chat, streamStart };
  }

  #generation<Event>(
    name: string,
    { signal, capture }: GenerateOptions,
    work: (scope: RunScope<Event>, wish: CaptureWish) => Promise<Generation>,
  ): GenerationRun<Event> {
    const source = {
      method: this.attention.name,
      tokens: (start: number, end: number) => this.#pieces(start, end),
      memory: () => this.memory(),
    };
    return this.#runs.generation(name, { source, signal, capture }, work);
  }

  #pieces(start: number, end: number): string[] {
    const { tokenizer } = this.#model;
    return this.#held.log.ids.slice(start, end).map((id) => tokenizer.piece(id));
  }
}
