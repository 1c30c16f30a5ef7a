/** A model in GGUF: one file, or the files `name-00001-of-0000N.gguf` of a split one, any of which names it. */
import { basename } from "node:path";
import { ModelFormatError } from "../../../ffi/errors.ts";
import { refusal, showValue } from "../../../ffi/refusal.ts";
import { type GgufHeader, type GgufTensor, readGgufHeader } from "./header.ts";
import type { GgufMetadata } from "./metadata.ts";

/** A tensor and the file it is in. */
export interface StoredGgufTensor extends GgufTensor {
  /** Path of the file. */
  readonly path: string;
}

/** What the headers of a model's files say. */
export interface GgufModel {
  /** Path of its first file. */
  readonly path: string;
  /** Key-value pairs of the first file. */
  readonly metadata: GgufMetadata;
  /** Tensors of all files, by name. */
  readonly tensors: ReadonlyMap<string, StoredGgufTensor>;
}

const PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/s;

/** Whether a path is called as GGUF files are. */
export function isGgufPath(path: string): boolean {
  return path.toLowerCase().endsWith(".gguf");
}

/** Paths of the files of the model that the file at `path` is, or is a part of, in order. */
export function ggufPaths(path: string): string[] {
  const [, stem, , total] = PART.exec(path) ?? [];
  if (stem === undefined || total === undefined || Number(total) === 0) return [path];
  return Array.from(
    { length: Number(total) },
    (_, part) => `${stem}-${String(part + 1).padStart(5, "0")}-of-${total}.gguf`,
  );
}

/** Reads the headers of the model that the file at `path` is, or is a part of. */
export async function readGgufModel(path: string): Promise<GgufModel> {
  const paths = ggufPaths(path);
  const tensors = new Map<string, StoredGgufTensor>();
  let first: GgufMetadata | undefined;
  for (const [part, path] of paths.entries()) {
    const header = await readGgufHeader(path);
    assertPart(header, part, paths.length);
    first ??= header.metadata;
    addTensors(tensors, header, path);
  }
  assertWhole(first!, tensors.size, paths.length);
  return { path: paths[0]!, metadata: first!, tensors };
}

function assertPart({ metadata }: GgufHeader, part: number, parts: number): void {
  const count = metadata.count("split.count") || 1;
  if (count !== parts) throw metadata.wrong(`split.count must be ${parts} as in its name`, count);
  const number = metadata.count("split.no") ?? 0;
  if (number !== part) throw metadata.wrong(`split.no must be ${part} as in its name`, number);
}

function addTensors(
  tensors: Map<string, StoredGgufTensor>,
  header: GgufHeader,
  path: string,
): void {
  for (const [name, tensor] of header.tensors) {
    if (tensors.has(name)) {
      const rule = `tensor ${showValue(name)} must be in one file`;
      throw refusal(ModelFormatError, `read ${basename(path)}`, rule, "a second one");
    }
    tensors.set(name, { ...tensor, path });
  }
}

function assertWhole(metadata: GgufMetadata, tensors: number, parts: number): void {
  const count = parts === 1 ? undefined : metadata.count("split.tensors.count");
  if (count === undefined || count === tensors) return;
  throw metadata.wrong(`its files must hold split.tensors.count ${count} tensors`, tensors);
}
