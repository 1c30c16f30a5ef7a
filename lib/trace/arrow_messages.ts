/** Where the messages of an Arrow IPC stream file lie: found by their headers, without reading their bodies. */
import type * as Arrow from "apache-arrow";

/** Bytes `start .. end-1` of a file. */
export interface Span {
  /** First byte. */
  readonly start: number;
  /** End, exclusive. */
  readonly end: number;
}

/** First bytes of every message of a stream. */
const CONTINUATION = -1;

/** Read at once of a message; most descriptions are shorter. */
const HEADER_BYTES = 4096;

/** The first `most` messages of a file that are whole, the schema's first; stops at an end-of-stream mark. */
export async function findMessages(
  arrow: typeof Arrow,
  file: Deno.FsFile,
  most: number = Infinity,
): Promise<Span[]> {
  const { size } = await file.stat();
  const spans: Span[] = [];
  for (let start = 0; spans.length < most;) {
    const end = await messageEnd(arrow, file, start, size);
    if (end === null) break;
    spans.push({ start, end });
    start = end;
  }
  return spans;
}

/** Bytes of a span; fewer where the file is shorter. */
export async function readSpan(file: Deno.FsFile, { start, end }: Span): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start);
  file.seekSync(start, Deno.SeekMode.Start);
  for (let done = 0; done < bytes.length;) {
    const count = await file.read(bytes.subarray(done));
    if (count === null) return bytes.subarray(0, done);
    done += count;
  }
  return bytes;
}

/** A message is `-1, length of its description, description, body`; the description knows the body's length. */
async function messageEnd(
  arrow: typeof Arrow,
  file: Deno.FsFile,
  start: number,
  size: number,
): Promise<number | null> {
  const bytes = await readSpan(file, { start, end: Math.min(size, start + HEADER_BYTES) });
  if (bytes.length < 8) return null;
  const view = new DataView(bytes.buffer);
  const length = view.getInt32(4, true);
  const body = start + 8 + length;
  if (view.getInt32(0, true) !== CONTINUATION || length <= 0 || body > size) return null;
  const description = body - start <= bytes.length
    ? bytes.subarray(8, 8 + length)
    : await readSpan(file, { start: start + 8, end: body });
  const bodyLength = bodyLengthOf(arrow, description, start === 0);
  return bodyLength === null || body + bodyLength > size ? null : body + bodyLength;
}

function bodyLengthOf(
  arrow: typeof Arrow,
  description: Uint8Array,
  first: boolean,
): number | null {
  try {
    const message = arrow.Message.decode(description);
    return message.isSchema() === first && message.bodyLength >= 0 ? message.bodyLength : null;
  } catch {
    return null;
  }
}
