import { assertEquals } from "@std/assert";
import { fileBytes } from "../../ffi/file_bytes.ts";

const BYTES = Uint8Array.from({ length: 10 }, (_, at) => at);

/** A file that gives at most three bytes a read. */
function slowFile() {
  let at = 0;
  return {
    seek: (offset: number | bigint) => Promise.resolve(at = Number(offset)),
    read: (into: Uint8Array) => {
      const part = BYTES.subarray(at, at + Math.min(3, into.length));
      into.set(part);
      at += part.length;
      return Promise.resolve(part.length === 0 ? null : part.length);
    },
  };
}

Deno.test("fileBytes() reads on until it has all", async () => {
  const file = slowFile();
  assertEquals(await fileBytes(file, 1, 8), BYTES.subarray(1, 9));
  assertEquals(await fileBytes(file, 0, 10), BYTES);
  assertEquals(await fileBytes(file, 4, 0), new Uint8Array());
});

Deno.test("fileBytes() gives what there is of a shorter file", async () => {
  const file = slowFile();
  assertEquals(await fileBytes(file, 8, 5), BYTES.subarray(8));
  assertEquals(await fileBytes(file, 12, 5), new Uint8Array());
});
