/** Files of the embedded model, fetched once into a folder where the module itself is not on disk. */
import { join } from "node:path";
import { DownloadError } from "../../ffi/errors.ts";
import { reasonOf } from "../../ffi/refusal.ts";

/** What a file must be. */
export interface FileDigest {
  /** SHA-256 in hexadecimal digits. */
  readonly sha256: string;
  /** Size in bytes. */
  readonly sizeBytes: number;
}

/** Makes sure that `folder` holds `files` as listed; those that are missing or damaged are fetched from `base`. */
export async function fetchFiles(
  base: URL,
  files: Readonly<Record<string, FileDigest>>,
  folder: string,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, digest] of Object.entries(files)) {
    const path = join(folder, name);
    if (await isIntact(path, digest)) continue;
    await writeWhole(path, await download(new URL(name, base), digest));
  }
}

/** SHA-256 of `data` in hexadecimal digits. */
export async function sha256(data: BufferSource): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data)).toHex();
}

async function isIntact(path: string, digest: FileDigest): Promise<boolean> {
  try {
    if ((await Deno.stat(path)).size !== digest.sizeBytes) return false;
    return await sha256(await Deno.readFile(path)) === digest.sha256;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function download(url: URL, digest: FileDigest): Promise<Uint8Array<ArrayBuffer>> {
  const response = await request(url);
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new DownloadError(
      `Cannot download ${url} as the server must answer 200: current value is ${response.status}`,
    );
  }
  const bytes = await readUpTo(response.body, digest.sizeBytes, url);
  const found = await sha256(bytes);
  if (found === digest.sha256) return bytes;
  throw new DownloadError(
    `Cannot use ${url} as its SHA-256 must be ${digest.sha256}: current value is ${found}`,
    { reason: "checksum" },
  );
}

async function request(url: URL): Promise<Response> {
  try {
    return await fetch(url);
  } catch (cause) {
    throw new DownloadError(
      `Cannot download ${url} as the request failed: current value is ${reasonOf(cause)}`,
      { cause, reason: "network" },
    );
  }
}

async function readUpTo(
  body: ReadableStream<Uint8Array>,
  sizeBytes: number,
  url: URL,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(sizeBytes);
  let filled = 0;
  for await (const chunk of body) {
    if (filled + chunk.length > sizeBytes) throw wrongSize(url, sizeBytes, filled + chunk.length);
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled !== sizeBytes) throw wrongSize(url, sizeBytes, filled);
  return bytes;
}

function wrongSize(url: URL, sizeBytes: number, found: number): DownloadError {
  return new DownloadError(
    `Cannot use ${url} as it must have ${sizeBytes} bytes: current value is ${found}`,
    { reason: "checksum" },
  );
}

/** A reader sees the whole file or none, whoever else writes it. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const part = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    await Deno.writeFile(part, bytes);
    await Deno.rename(part, path);
  } catch (error) {
    await Deno.remove(part).catch(() => {});
    throw error;
  }
}
