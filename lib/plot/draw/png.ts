/** Pictures of palette colours as PNG (ISO/IEC 15948), 8 bits a pixel. */

/** A picture whose pixels are places in a palette. */
export interface PaletteImage {
  /** Pixels in a row. */
  readonly width: number;
  /** Rows, top first. */
  readonly height: number;
  /** Palette entry of every pixel, `[height, width]`. */
  readonly pixels: Uint8Array;
  /** Red, green, blue and alpha of up to 256 entries, `[entries, 4]`. */
  readonly palette: Uint8Array;
}

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const PALETTE_COLOUR = 3;

/**
 * The bytes of a PNG file.
 *
 * @throws {RangeError} when the pixels do not fill width x height, or the palette is none
 */
export async function encodePng(
  { width, height, pixels, palette }: PaletteImage,
): Promise<Uint8Array> {
  if (width < 1 || height < 1 || pixels.length !== width * height) {
    throw new RangeError(
      `Cannot encode a PNG as pixels must be ${width} x ${height}: current value is ${pixels.length}`,
    );
  }
  if (palette.length < 4 || palette.length > 1024 || palette.length % 4 !== 0) {
    throw new RangeError(
      `Cannot encode a PNG as the palette must have 1 .. 256 entries of 4 bytes: current value is ${palette.length} bytes`,
    );
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, PALETTE_COLOUR], 8);
  return joined([
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", header),
    chunk("PLTE", palette.filter((_, i) => i % 4 < 3)),
    chunk("tRNS", palette.filter((_, i) => i % 4 === 3)),
    chunk("IDAT", await deflate(scanlines(width, height, pixels))),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** A PNG as a data URI. */
export async function pngUri(image: PaletteImage): Promise<string> {
  const bytes = await encodePng(image);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return `data:image/png;base64,${btoa(text)}`;
}

/** Rows with the filter byte "none" before each. */
function scanlines(width: number, height: number, pixels: Uint8Array): Uint8Array<ArrayBuffer> {
  const lines = new Uint8Array(height * (width + 1));
  for (let row = 0; row < height; row++) {
    lines.set(pixels.subarray(row * width, (row + 1) * width), row * (width + 1) + 1);
  }
  return lines;
}

async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
