/** What a search has measured so far: in memory, or in a file of JSON lines that a stopped search goes on from. */
import type { ZodType } from "zod";
import type { ModelFormatError } from "../engine/errors.ts";
import { formatError, loadZod, parseJson, parseWith, type Zod } from "../attention/json_file.ts";

/** What was measured of a layer's heads on one text. */
export interface LayerFinding<Head> {
  /** Number of the text. */
  readonly text: number;
  /** Layer number. */
  readonly layer: number;
  /** One for each query head. */
  readonly heads: readonly Head[];
}

/** What kind of search writes a log. */
export interface SearchKind<Head> {
  /** Its name, for people: `pattern search`. */
  readonly name: string;
  /** What it measures of a head, as JSON. */
  readonly head: (z: Zod) => ZodType<Head>;
}

/** What tells a search from others: plain JSON. */
export type SearchKey = Readonly<Record<string, unknown>>;

const VERSION = 1;
const MAX_BYTES = 2 ** 30;

/** Findings of one search. */
export class SearchLog<Head> {
  readonly #findings = new Map<string, LayerFinding<Head>>();
  readonly #file: Deno.FsFile | null;

  private constructor(file: Deno.FsFile | null, earlier: readonly LayerFinding<Head>[]) {
    this.#file = file;
    for (const finding of earlier) this.#findings.set(keyOf(finding), finding);
  }

  /** A log in memory. */
  static inMemory<Head>(): SearchLog<Head> {
    return new SearchLog<Head>(null, []);
  }

  /**
   * A log in a file, with the findings that are there; a line that was being written when the search was stopped is cut off.
   *
   * @throws {ModelFormatError} when the file is something else, or of another search; it is not touched
   */
  static async open<Head>(
    path: string,
    kind: SearchKind<Head>,
    key: SearchKey,
  ): Promise<SearchLog<Head>> {
    const file = await Deno.open(path, { read: true, write: true, create: true });
    try {
      if (!await file.tryLock(true)) {
        throw formatError(path, "no other search may be using it", "one does");
      }
      return new SearchLog(file, await readLines(file, path, kind, key));
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** What was found in a layer on a text. */
  find(text: number, layer: number): LayerFinding<Head> | undefined {
    return this.#findings.get(keyOf({ text, layer }));
  }

  /** Takes a finding in; it is in the file before this returns. */
  async append(finding: LayerFinding<Head>): Promise<void> {
    if (this.#file) await writeLine(this.#file, finding);
    this.#findings.set(keyOf(finding), finding);
  }

  /** Closes the file. */
  close(): void {
    this.#file?.close();
  }
}

/** First line of a file. */
interface Header {
  readonly format: string;
  readonly version: number;
  readonly key: SearchKey;
}

function keyOf({ text, layer }: Pick<LayerFinding<unknown>, "text" | "layer">): string {
  return `${text} ${layer}`;
}

/** Reads what is there, checks that it is of this search, and leaves the file where the next line begins. */
async function readLines<Head>(
  file: Deno.FsFile,
  path: string,
  kind: SearchKind<Head>,
  key: SearchKey,
): Promise<LayerFinding<Head>[]> {
  const header: Header = { format: formatOf(kind.name), version: VERSION, key };
  const text = await readText(file, path);
  const first = `${JSON.stringify(header)}\n`;
  if (text.length < first.length && first.startsWith(text)) {
    await restart(file, 0);
    await writeLine(file, header);
    return [];
  }
  if (!text.startsWith(first)) {
    throw otherSearch(text.split("\n", 1)[0]!, kind.name, key, path);
  }
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  const findings = await parseLines(whole.slice(first.length), path, kind);
  await restart(file, new TextEncoder().encode(whole).length);
  return findings;
}

/** What a file of another search, or of something else, says instead of `key`. */
function otherSearch(
  first: string,
  name: string,
  key: SearchKey,
  path: string,
): ModelFormatError {
  const header = parseJson(first, path) as Partial<Header> | null;
  const found = header?.format === formatOf(name) ? header.key : undefined;
  const other = Object.keys(key)
    .find((field) => JSON.stringify(found?.[field]) !== JSON.stringify(key[field]));
  if (found === undefined || other === undefined) {
    return formatError(path, `it must be what a ${name} writes`, first);
  }
  const wanted = JSON.stringify(key[other]);
  return formatError(path, `${other} of the search must be ${wanted}`, found[other]);
}

function formatOf(name: string): string {
  return `longlens-${name.replaceAll(" ", "-")}`;
}

async function readText(file: Deno.FsFile, path: string): Promise<string> {
  const { size } = await file.stat();
  if (size > MAX_BYTES) throw formatError(path, `it must have at most ${MAX_BYTES} bytes`, size);
  const bytes = new Uint8Array(size);
  for (let done = 0; done < size;) {
    const read = await file.read(bytes.subarray(done));
    if (read === null) break;
    done += read;
  }
  return new TextDecoder().decode(bytes);
}

async function parseLines<Head>(
  text: string,
  path: string,
  { head }: SearchKind<Head>,
): Promise<LayerFinding<Head>[]> {
  const z = await loadZod();
  const count = z.int().min(0);
  const line = z.strictObject({ text: count, layer: count, heads: z.array(head(z)) });
  return text.split("\n").slice(0, -1).map((one) => parseWith(line, parseJson(one, path), path));
}

async function restart(file: Deno.FsFile, bytes: number): Promise<void> {
  await file.truncate(bytes);
  await file.seek(bytes, Deno.SeekMode.Start);
}

async function writeLine(file: Deno.FsFile, value: object): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  await file.sync();
}
