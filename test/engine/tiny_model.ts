/** Sessions on the small checkpoints of test/model/fixtures, without a tokenizer of their own. */
import type { Backend } from "../../ffi/backend.ts";
import { findCompiler } from "../../ffi/compiler.ts";
import { LibraryError } from "../../ffi/errors.ts";
import { openBackend } from "../../ffi/open.ts";
import { dense } from "../../lib/attention/dense.ts";
import { openSession, type Session } from "../../lib/engine/session.ts";
import type { SessionModel, SessionOptions } from "../../lib/engine/session_types.ts";
import { chatTemplate } from "../../lib/model/chat_template.ts";
import { loadConfig } from "../../lib/model/config.ts";
import type { Tokenizer } from "../../lib/model/types.ts";
import { loadWeights } from "../../lib/model/weights.ts";
import { fixture } from "../model/fixtures.ts";

const encodeLetters = (text: string) =>
  Int32Array.from(text, (letter) => letter.charCodeAt(0) % 88);

/** Ids as letters: enough for tests that count tokens. */
const letters: Tokenizer = {
  vocabSize: 88,
  bosId: null,
  chatTemplate: chatTemplate(new Map(), {
    named: {},
    added: [],
    control: null,
    encode: encodeLetters,
    encodePlain: encodeLetters,
  }),
  encode: encodeLetters,
  decode: (ids) => Array.from(ids, (id) => String.fromCharCode(id + 176)).join(""),
  token: (id) => String.fromCharCode(id + 176),
  piece: (id) => String.fromCharCode(id + 176),
  stream: () => ({ push: (id) => String.fromCharCode(id + 176), flush: () => "" }),
};

/** A checkpoint in memory. */
export interface TinyModel extends SessionModel {
  /** A session with f32 keys and values unless told otherwise. */
  session(options?: Partial<SessionOptions>): Session;
  /** Sessions that are open. */
  readonly open: Set<Session>;
  /** Closes sessions and weights. */
  close(): void;
}

/** Loads a committed checkpoint. */
export function tiny(name: string, backend: Backend): Promise<TinyModel> {
  return fromFolder(fixture(name), backend);
}

/** Loads the checkpoint of a folder. */
export async function fromFolder(folder: string, backend: Backend): Promise<TinyModel> {
  const config = await loadConfig(folder);
  const weights = await loadWeights(folder, config, backend);
  const open = new Set<Session>();
  const model: SessionModel = {
    backend,
    config,
    weights,
    tokenizer: letters,
    onOpen: (session) => void open.add(session),
    onClose: (session) => void open.delete(session),
  };
  return {
    ...model,
    open,
    session: (options = {}) =>
      openSession(model, {
        attention: dense(),
        kv: "f32",
        kvTier: "fast",
        chunkTokens: 512,
        seed: 0,
        memoryBytes: Infinity,
        querySamples: 0,
        ...options,
      }),
    close() {
      for (const session of [...open]) session.close();
      weights.close();
    },
  };
}

/** Runs a test on each backend that can be had here, closing the model after it. */
export function onBackends(
  name: string,
  checkpoint: string,
  body: (model: TinyModel) => Promise<void>,
): void {
  for (const backend of ["reference", "cpu"] as const) {
    Deno.test(`${name} (${backend})`, async (t) => {
      const opened = await openOr(backend);
      if (!opened) return void console.log(`skipped: no ${backend} backend here, ${t.name}`);
      const model = await tiny(checkpoint, opened);
      try {
        await body(model);
      } finally {
        model.close();
      }
    });
  }
}

/** The backend, or null where no native library can be had: any other failure is one of the test. */
export async function openOr(backend: "reference" | "cpu"): Promise<Backend | null> {
  try {
    return await openBackend({ backend, compute: "f32" });
  } catch (error) {
    if (error instanceof LibraryError && !(await hasCompiler())) return null;
    throw error;
  }
}

async function hasCompiler(): Promise<boolean> {
  return await findCompiler().then(() => true, () => false);
}

/** Logits of the next token. */
export async function nextLogits(session: Session): Promise<Float32Array> {
  const fork = session.fork();
  try {
    return (await fork.step()).logits;
  } finally {
    fork.close();
  }
}

/** Largest absolute difference. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let most = 0;
  for (let x = 0; x < a.length; x++) most = Math.max(most, Math.abs(a[x]! - b[x]!));
  return most;
}

/** `count` ids below 88, the same ones every time. */
export function someIds(count: number, seed = 1): Int32Array {
  return Int32Array.from({ length: count }, (_, x) => (x * x * 31 + x * 17 + seed * 7) % 88);
}
