import { CancelledError, SessionFileError } from "../../../ffi/errors.ts";
import type { Backend } from "../../../ffi/backend.ts";
import { replaceFile } from "../../../ffi/replace_file.ts";
import { readKvRows } from "../../cache/kv_rows.ts";
import type { PagedCache } from "../../cache/paged_cache.ts";
import { reasonOf } from "../../../ffi/refusal.ts";
import { loadZod } from "../../../ffi/schema.ts";
import { type RunScope, throwIfAborted } from "../run.ts";
import type { IndexArray } from "../../retrieval/kv_index.ts";
import type { SavedQueries } from "../../retrieval/query_samples.ts";
import type { SavedLayerIndex } from "../session_indexes.ts";
import type { SessionState } from "../session_state.ts";
import type { FileProgress, SavedFile, SessionModel, SessionOptions } from "../session_types.ts";
import type { TokenLog } from "../token_log.ts";
import { blocks } from "./blocks.ts";
import { ContainerWriter } from "./container_writer.ts";
import {
  contentOf,
  kvName,
  parseContent,
  phaseCodes,
  positionsName,
  sectionsOf,
  type SessionContent,
} from "./content.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { indexArrays, sectionName } from "./saved_indexes.ts";
import { progressOf } from "./progress.ts";
import { queriesName, queryPositionsName } from "./saved_queries.ts";

/** What is saved. */
export interface SavedSession {
  /** Its model. */
  readonly model: SessionModel;
  /** Its options, with the seed it goes on with. */
  readonly options: SessionOptions;
  /** The rest of it; not to be changed meanwhile. */
  readonly state: SessionState;
}

/** Writes a session to a file, in blocks. */
export async function saveSession(
  session: SavedSession,
  path: string,
  run: RunScope<FileProgress>,
): Promise<SavedFile> {
  const began = performance.now();
  try {
    const fingerprint = await fingerprintOf(session.model, run.control);
    const { cache, log, indexes: held } = session.state;
    const [indexes, queries] = [held.save(), held.saveQueries(cache.length)];
    const content = await restorable(
      contentOf(fingerprint, session.options, session.state, indexes, queries),
      path,
    );
    const sections = sectionsOf(session.model.config, content);
    const bytes = await replaceFile(path, run.signal, async (file) => {
      const writer = new ContainerWriter(file, content, sections);
      await writeLog(writer, log);
      await writeCache(writer, session.model.backend, cache, run);
      await writeIndexes(writer, indexes, run);
      if (content.queries) await writeQueries(writer, queries, run);
      return await writer.finish();
    });
    return { path, bytes, ms: performance.now() - began };
  } catch (cause) {
    if (cause instanceof CancelledError) throw cause;
    throw new SessionFileError(
      `Cannot save the session to ${path} as writing failed: current value is ${reasonOf(cause)}`,
      { cause },
    );
  }
}

/** What a reader will make of `content`: an old file must not give way to one that is refused. */
async function restorable(content: SessionContent, path: string): Promise<SessionContent> {
  return parseContent(await loadZod(), JSON.parse(JSON.stringify(content)), path);
}

async function writeLog(writer: ContainerWriter, log: TokenLog): Promise<void> {
  await writer.write("ids", new Uint8Array(Int32Array.from(log.ids).buffer));
  await writer.write("phases", phaseCodes(log));
}

async function writeIndexes(
  writer: ContainerWriter,
  indexes: readonly SavedLayerIndex[],
  { signal }: RunScope<FileProgress>,
): Promise<void> {
  for (const [number, index] of indexes.entries()) {
    let array = 0;
    for (const bytes of indexArrays(index)) {
      throwIfAborted(signal);
      await writer.write(sectionName(number, array++), bytes);
    }
  }
}

async function writeQueries(
  writer: ContainerWriter,
  layers: readonly SavedQueries[],
  { signal }: RunScope<FileProgress>,
): Promise<void> {
  for (const [layer, { positions, rows }] of layers.entries()) {
    await writer.write(queryPositionsName(layer), bytesOf(Int32Array.from(positions)));
    for (const row of rows) {
      throwIfAborted(signal);
      await writer.write(queriesName(layer), bytesOf(row));
    }
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: IndexArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function writeCache(
  writer: ContainerWriter,
  backend: Backend,
  cache: PagedCache,
  { emit, signal }: RunScope<FileProgress>,
): Promise<void> {
  const began = performance.now();
  for (const { start, count } of blocks(cache.length, cache.shape)) {
    for (let layer = 0; layer < cache.shape.layers; layer++) {
      throwIfAborted(signal);
      const { kv, positions } = readKvRows(backend, cache, layer, start, count);
      await writer.write(kvName(layer), kv);
      await writer.write(positionsName(layer), new Uint8Array(positions.buffer));
    }
    emit(progressOf(writer, began));
  }
}
