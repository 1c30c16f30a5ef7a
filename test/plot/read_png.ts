/** Reads pictures back with a decoder that is not ours. */
import { decode } from "fast-png";

/** A picture with a palette. */
export interface ReadPng {
  /** Pixels in a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Palette entries, `[height, width]`. */
  readonly pixels: Uint8Array;
  /** Red, green, blue and alpha of each entry. */
  readonly palette: readonly (readonly number[])[];
}

const PNG_URI = /data:image\/png;base64,([A-Za-z0-9+/=]+)/g;

/** The picture of a data URI. */
export function readPng(uri: string): ReadPng {
  const base64 = uri.slice(uri.indexOf(",") + 1);
  const { width, height, data, palette } = decode(
    Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)),
  );
  return { width, height, pixels: Uint8Array.from(data), palette: palette! };
}

/** The picture of the element with a class, in SVG or HTML. */
export function pictureOf(markup: string, name: string): ReadPng {
  const element = markup.match(new RegExp(`<image class="${name}"[^>]*>`))?.[0];
  if (!element) throw new Error(`There is no image of class ${name}`);
  return readPng(element.match(/href="([^"]*)"/)![1]!);
}

/**
 * Markup in which each picture is replaced by its size and a hash of its colours, as compressors differ in the bytes
 * they write.
 */
export async function withoutPngBytes(markup: string): Promise<string> {
  let text = "";
  let at = 0;
  for (const match of markup.matchAll(PNG_URI)) {
    text += markup.slice(at, match.index) + await described(readPng(match[0]));
    at = match.index + match[0].length;
  }
  return text + markup.slice(at);
}

async function described({ width, height, pixels, palette }: ReadPng): Promise<string> {
  const colours = Uint8Array.from(Array.from(pixels, (pixel) => palette[pixel]!).flat());
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", colours)).toHex();
  return `png:${width}x${height}:${hash.slice(0, 16)}`;
}
