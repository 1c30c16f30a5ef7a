/** Saving and restoring in tests: on the tiny checkpoints, in a folder that is removed. */
import { inFolder } from "../in_folder.ts";
import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { dirname } from "node:path";
import type { Session } from "../../lib/engine/session.ts";
import { restoreSession } from "../../lib/engine/session_file/restore.ts";
import type { FileProgress, SessionModel, SessionOptions } from "../../lib/engine/session_types.ts";
import { onBackends, type TinyModel } from "./tiny_model.ts";

/** Runs a test on each backend with a path that nothing is at. */
export function onFiles(
  name: string,
  body: (model: TinyModel, path: string) => Promise<void>,
): void {
  onBackends(name, "llama", (model) => inFolder((folder) => body(model, `${folder}/a.session`)));
}

/** What `Model.restore` does, for models without files of their own. */
export function restored(
  model: SessionModel,
  path: string,
  options: Partial<SessionOptions> = {},
  emit: (event: FileProgress) => void = () => {},
): Promise<Session> {
  const control = model.backend.control();
  const run = { emit, signal: new AbortController().signal, control };
  return restoreSession(model, path, options, run);
}

/** Asserts that two sessions hold the same and go on the same, to the last bit; closes `copy`. */
export async function assertSameFuture(original: Session, copy: Session): Promise<void> {
  assertEquals(copy.ids, original.ids);
  assertEquals(copy.memory(), original.memory());
  const fork = original.fork();
  for (let step = 0; step < 6; step++) {
    const options = { temperature: step % 2 === 0 ? 0 : 1.5 };
    const [wanted, found] = [await fork.step(options), await copy.step(options)];
    assertEquals(found.logits, wanted.logits);
    assertEquals([found.token, found.text, found.index], [wanted.token, wanted.text, wanted.index]);
    assertEquals(found.counts, wanted.counts);
  }
  for (const session of [fork, copy]) await session.prefill(Int32Array.of(5, 6, 7));
  assertEquals((await copy.step()).logits, (await fork.step()).logits);
  const maps = [copy, fork].map((session) => session.map(1, 2, { bins: 16 }));
  assertEquals(await maps[0], await maps[1]);
  fork.close();
  copy.close();
}

/** Names of what is in the folder of `path`, sorted. */
export function namesBeside(path: string): string[] {
  return Array.from(Deno.readDirSync(dirname(path)), ({ name }) => name).sort();
}

/** A digest of a file: what tells large files apart in one line. */
export function digestOf(path: string): string {
  return sha256(Deno.readFileSync(path)).toString("hex");
}

// deno-lint-ignore no-explicit-any
type Json = any;

/** Bytes of a section of a file. */
export function sectionOf(file: Uint8Array, name: string): Uint8Array<ArrayBuffer> {
  const { header, data } = parsed(file);
  const { offset, bytes } = header.sections.find((section: Json) => section.name === name);
  return data.slice(offset, offset + bytes);
}

function parsed(file: Uint8Array): { header: Json; data: Uint8Array<ArrayBuffer> } {
  const length = new DataView(file.buffer, file.byteOffset).getUint32(12, true);
  const header = JSON.parse(new TextDecoder().decode(file.subarray(48, 48 + length)));
  return { header, data: file.slice(48 + length) };
}

/** A file whose header and data `edit` has changed, with digests that are right again. */
export function forged(
  file: Uint8Array,
  edit: (header: Json, data: Uint8Array) => void,
): Uint8Array {
  const { header, data } = parsed(file);
  edit(header, data);
  for (const section of header.sections ?? []) {
    const { offset, bytes } = section;
    section.sha256 ??= sha256(data.subarray(offset, offset + bytes)).toString("hex");
  }
  return joined(file.subarray(0, 12), new TextEncoder().encode(JSON.stringify(header)), data);
}

/** Has `forged` compute the digest of a section again. */
export function redigest(header: Json, name: string): void {
  header.sections.find((section: Json) => section.name === name).sha256 = undefined;
}

/** A file with this start, header and data, and the digest that the header then has. */
export function joined(start: Uint8Array, header: Uint8Array, data: Uint8Array): Uint8Array {
  const file = new Uint8Array(48 + header.length + data.length);
  file.set(start);
  new DataView(file.buffer).setUint32(12, header.length, true);
  file.set(sha256(file.subarray(0, 16), header), 16);
  file.set(header, 48);
  file.set(data, 48 + header.length);
  return file;
}

function sha256(...parts: Uint8Array[]) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}
