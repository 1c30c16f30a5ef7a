import { assertEquals, assertRejects } from "@std/assert";
import { decode } from "fast-png";
import fc from "fast-check";
import { encodePng, pngUri } from "../../lib/plot/draw/png.ts";
import { readPng } from "./read_png.ts";

const images = fc.record({
  width: fc.integer({ min: 1, max: 70 }),
  height: fc.integer({ min: 1, max: 40 }),
  entries: fc.integer({ min: 1, max: 256 }),
}).chain(({ width, height, entries }) =>
  fc.record({
    width: fc.constant(width),
    height: fc.constant(height),
    pixels: fc.uint8Array({
      minLength: width * height,
      maxLength: width * height,
      max: entries - 1,
    }),
    palette: fc.uint8Array({ minLength: 4 * entries, maxLength: 4 * entries }),
  })
);

Deno.test("encodePng() makes a file from which fast-png reads the pixels and the palette", async () => {
  await fc.assert(
    fc.asyncProperty(images, async (image) => {
      const { width, height, data, palette, depth } = decode(await encodePng(image), {
        checkCrc: true,
      });
      assertEquals([width, height, depth], [image.width, image.height, 8]);
      assertEquals(Uint8Array.from(data), image.pixels);
      assertEquals(Uint8Array.from(palette!.flat()), image.palette);
    }),
    { numRuns: 60, seed: 1 },
  );
});

Deno.test("encodePng() writes a picture of 2 million pixels", async () => {
  const pixels = new Uint8Array(1500 * 1400).map((_, i) => i % 251);
  const palette = new Uint8Array(1024).map((_, i) => i);
  const { data } = decode(await encodePng({ width: 1500, height: 1400, pixels, palette }));
  assertEquals(Uint8Array.from(data), pixels);
});

Deno.test("encodePng() refuses pixels that do not fill the picture", async () => {
  const palette = new Uint8Array(4);
  for (const [width, height, count] of [[2, 2, 3], [0, 0, 0], [2, 2, 5]] as const) {
    const image = { width, height, pixels: new Uint8Array(count), palette };
    await assertRejects(
      () => encodePng(image),
      RangeError,
      `must be ${width} x ${height}: current value is ${count}`,
    );
  }
});

Deno.test("encodePng() refuses a palette that is not 1 to 256 entries", async () => {
  const pixels = new Uint8Array(1);
  for (const bytes of [0, 3, 1028]) {
    const image = { width: 1, height: 1, pixels, palette: new Uint8Array(bytes) };
    await assertRejects(() => encodePng(image), RangeError, `current value is ${bytes} bytes`);
  }
});

Deno.test("pngUri() gives the same bytes as a data URI", async () => {
  const pixels = new Uint8Array(200 * 200).map((_, i) => (i * 7919) % 256);
  const palette = new Uint8Array(1024).map((_, i) => i * 3);
  const image = { width: 200, height: 200, pixels, palette };
  assertEquals(readPng(await pngUri(image)).pixels, pixels);
});
