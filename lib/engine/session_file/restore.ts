import { SessionFileError } from "../../../ffi/errors.ts";
import type { Backend } from "../../../ffi/backend.ts";
import { indexesOf } from "../../attention/indexes_of.ts";
import type { Method } from "../../attention/method.ts";
import { rebuildMethod } from "../../attention/saved_method.ts";
import { type KvRowBytes, kvRowBytes, KvRowWriter } from "../../cache/kv_rows.ts";
import type { PagedCache } from "../../cache/paged_cache.ts";
import { reasonOf, refusal, showValue } from "../../../ffi/refusal.ts";
import { loadZod } from "../../../ffi/schema.ts";
import type { ModelConfig } from "../../model/types.ts";
import { type RunScope, throwIfAborted } from "../run.ts";
import { openSession, type Session } from "../session.ts";
import { sessionOptions } from "../session_options.ts";
import { emptyState, type SessionState } from "../session_state.ts";
import type { FileProgress, SessionModel, SessionOptions } from "../session_types.ts";
import type { TokenLog } from "../token_log.ts";
import { blocks, blockTokens } from "./blocks.ts";
import { ContainerReader } from "./container_reader.ts";
import {
  kvName,
  parseContent,
  phaseOf,
  positionsName,
  sectionsOf,
  type SessionContent,
} from "./content.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import { type IndexContent, savedIndex, sectionName } from "./saved_indexes.ts";
import { progressOf } from "./progress.ts";
import { queriesName, queryPositionsName, savedQueries } from "./saved_queries.ts";

/** Makes a session of a file. What `given` says counts for more than what the file says. */
export async function restoreSession(
  model: SessionModel,
  path: string,
  given: Partial<SessionOptions>,
  run: RunScope<FileProgress>,
): Promise<Session> {
  using reader = await ContainerReader.open(path);
  const content = parseContent(await loadZod(), reader.header.content, path);
  checkModel(content.model, await fingerprintOf(model, run.control), path);
  checkSections(reader, model.config, content, path);
  const options = optionsOf(content, given, path);
  const state = emptyState(model, options);
  try {
    state.cache.checkFits(content.tokens, options.memoryBytes);
    await readLog(reader, state.log, model.config.vocab, path);
    await readCache(reader, model.backend, state.cache, content.cached, run);
    await readIndexes(reader, state, content, options, run);
    await readQueries(reader, state, content, run);
    const { chat, streamStart } = content;
    return openSession(model, options, { ...state, chat, streamStart });
  } catch (error) {
    state.indexes.close();
    state.cache.close();
    throw error;
  }
}

/** Refuses a file of another model, and says what differs. */
function checkModel(saved: Fingerprint, found: Fingerprint, path: string): void {
  const [wanted, actual] = [new Map(fieldsOf(saved)), new Map(fieldsOf(found))];
  for (const field of new Set([...wanted.keys(), ...actual.keys()])) {
    const [value, other] = [wanted.get(field), actual.get(field)];
    if (JSON.stringify(value) === JSON.stringify(other)) continue;
    const rule = `${showValue(field)} of the model must be ${showValue(value)}, as it was saved`;
    throw wrong(path, rule, other);
  }
}

/** What is in nested objects, under its path. */
function* fieldsOf(value: object, prefix = ""): Generator<[string, unknown]> {
  for (const [name, field] of Object.entries(value)) {
    const inner = typeof field === "object" && field !== null && !Array.isArray(field);
    if (inner) yield* fieldsOf(field, `${prefix}${name}.`);
    else yield [prefix + name, field];
  }
}

/** The header has checked the sections against the file's size, so that the counts of the content now are, too. */
function checkSections(
  { header }: ContainerReader,
  config: ModelConfig,
  content: SessionContent,
  path: string,
): void {
  const describe = ({ name, dtype, shape }: { name: string; dtype: string; shape: unknown }) =>
    `${name} ${dtype} [${shape}]`;
  const wanted = sectionsOf(config, content).map(describe);
  const found = header.sections.map(describe);
  const length = Math.max(wanted.length, found.length);
  for (let at = 0; at < length; at++) {
    if (wanted[at] === found[at]) continue;
    throw wrong(path, `section ${at} must be ${wanted[at] ?? "absent"}`, found[at]);
  }
}

/** The file's options, and those of `given` that its keys and values do not depend on. */
function optionsOf(
  content: SessionContent,
  given: Partial<SessionOptions>,
  path: string,
): SessionOptions {
  const { kv, chunkTokens, seed } = { ...content, ...given };
  const contextTokens = given.contextTokens ?? content.contextTokens;
  refuseOther("kv", content.kv, kv, path);
  if (content.tokens > 0) {
    refuseOther("contextTokens", content.contextTokens, contextTokens, path);
  }
  const { most } = content.queries ?? {};
  return sessionOptions({
    // Another method may need none.
    ...(given.attention || most === undefined ? {} : { querySamples: most ?? Infinity }),
    ...given,
    attention: given.attention ?? methodOf(content, path),
    kv,
    chunkTokens,
    seed,
    ...(contextTokens > 0 ? { contextTokens } : {}),
  });
}

function refuseOther(name: string, saved: unknown, value: unknown, path: string): void {
  if (value !== saved) throw wrong(path, `${name} must be ${saved}, as it was saved`, value);
}

function methodOf({ attention: { name, options } }: SessionContent, path: string): Method {
  if (options === null) {
    throw wrong(
      path,
      "a method that was made per head or by the user is not in the file: pass the option attention",
      name,
    );
  }
  try {
    return rebuildMethod({ name, options });
  } catch (cause) {
    throw wrong(path, "its attention method must be a known one", reasonOf(cause));
  }
}

async function readLog(
  reader: ContainerReader,
  log: TokenLog,
  vocab: number,
  path: string,
): Promise<void> {
  const ids = new Int32Array((await reader.readAll("ids")).buffer);
  const codes = await reader.readAll("phases");
  for (const [at, id] of ids.entries()) {
    if (id < 0 || id >= vocab) throw wrong(path, `token ${at} must be < ${vocab}`, id);
    const phase = phaseOf(codes[at]!);
    if (phase === undefined) throw wrong(path, `phase ${at} must be 0 or 1`, codes[at]);
    log.push([id], phase);
  }
}

async function readCache(
  reader: ContainerReader,
  backend: Backend,
  cache: PagedCache,
  tokens: number,
  { emit, signal }: RunScope<FileProgress>,
): Promise<void> {
  const began = performance.now();
  const writer = new KvRowWriter(backend, cache, Math.min(tokens || 1, blockTokens(cache.shape)));
  try {
    for (const { count } of blocks(tokens, cache.shape)) {
      cache.reserve(count);
      for (let layer = 0; layer < cache.shape.layers; layer++) {
        throwIfAborted(signal);
        await writer.append(layer, await readRows(reader, cache, layer, count));
      }
      cache.commit(count);
      emit(progressOf(reader, began));
    }
    throwIfAborted(signal);
  } finally {
    writer.close();
  }
}

/** Those that the method asks for; the others of the file are passed over. */
async function readIndexes(
  reader: ContainerReader,
  { indexes, cache }: SessionState,
  content: SessionContent,
  { attention }: SessionOptions,
  { signal, control }: RunScope<FileProgress>,
): Promise<void> {
  for (const [number, index] of content.indexes.entries()) {
    throwIfAborted(signal);
    const sections: Uint8Array<ArrayBuffer>[] = [];
    for (let array = 0; array < index.arrays.length + index.tailArrays.length; array++) {
      sections.push(await reader.readAll(sectionName(number, array)));
    }
    if (!isAsked(attention, index)) continue;
    if (index.layer >= cache.shape.layers) {
      throw wrong(
        reader.path,
        `layer of index ${number} must be < ${cache.shape.layers}`,
        index.layer,
      );
    }
    try {
      await indexes.load(savedIndex(index, sections), cache.view(index.layer), control);
    } catch (cause) {
      throw wrong(reader.path, `index ${number} must be whole`, reasonOf(cause));
    }
  }
}

/** Whether a method asks the index; one that says nothing of its indexes may. */
function isAsked(method: Method, { layer, wish }: IndexContent): boolean {
  if (!method.indexes) return true;
  const wanted = JSON.stringify(wish);
  return indexesOf(method, layer).some((one) => JSON.stringify(one) === wanted);
}

/** As many as the session may keep. */
async function readQueries(
  reader: ContainerReader,
  { indexes, cache }: SessionState,
  { queries }: SessionContent,
  { signal }: RunScope<FileProgress>,
): Promise<void> {
  if (!queries) return;
  const { layers } = cache.shape;
  if (queries.layers.length !== layers) {
    throw wrong(reader.path, `queries must be of ${layers} layers`, queries.layers.length);
  }
  for (const [layer, content] of queries.layers.entries()) {
    throwIfAborted(signal);
    const positions = await reader.readAll(queryPositionsName(layer));
    const rows = await reader.readAll(queriesName(layer));
    const saved = savedQueries(content, positions, rows);
    const last = saved.positions.at(-1) ?? -1;
    if (last >= cache.length) {
      throw wrong(reader.path, `queries of layer ${layer} must be of cached tokens`, last);
    }
    try {
      indexes.loadQueries(layer, saved);
    } catch (cause) {
      throw wrong(reader.path, `queries of layer ${layer} must be whole`, reasonOf(cause));
    }
  }
}

async function readRows(
  reader: ContainerReader,
  cache: PagedCache,
  layer: number,
  count: number,
): Promise<KvRowBytes> {
  const kv = await reader.read(kvName(layer), count * kvRowBytes(cache.shape));
  const positions = new Float32Array((await reader.read(positionsName(layer), 4 * count)).buffer);
  return { kv, positions };
}

function wrong(path: string, rule: string, value: unknown): SessionFileError {
  return refusal(SessionFileError, `restore ${path}`, rule, value);
}
