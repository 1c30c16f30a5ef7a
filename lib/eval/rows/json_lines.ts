/**
 * Values of a JSON-lines file, unpacked where its name ends in `.gz`; `null` where there is no such file.
 *
 * @throws {TypeError} when a line is no JSON
 */
export async function readJsonLines(path: string): Promise<unknown[] | null> {
  const text = await textOf(path);
  if (text === null) return null;
  return text.split("\n").flatMap((line, at) => line.trim() === "" ? [] : [parse(line, at, path)]);
}

async function textOf(path: string): Promise<string | null> {
  try {
    const bytes = await Deno.readFile(path);
    if (!path.endsWith(".gz")) return new TextDecoder().decode(bytes);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return await new Response(stream).text();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

function parse(line: string, at: number, path: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new TypeError(`Cannot read ${path} as line ${at + 1} is no JSON`, { cause });
  }
}
