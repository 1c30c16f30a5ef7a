import { assertEquals, assertRejects } from "@std/assert";
import { diskFull } from "./disk.ts";
import {
  type ArrowField,
  type ArrowRow,
  ArrowStream,
  readArrowStream,
} from "../../lib/trace/arrow_stream.ts";

const FIELDS: readonly ArrowField[] = [
  { name: "text", type: "utf8" },
  { name: "count", type: "int32" },
  { name: "share", type: "float64", nullable: true },
  { name: "right", type: "bool" },
];

const row = (count: number): ArrowRow => ({
  text: `row ${count}: "ä"\n`,
  count,
  share: count % 2 ? null : count / 8,
  right: count % 3 === 0,
});
const rows = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => row(from + i));

/** Runs `body` with the path of a file that is not there. */
async function withFile(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/rows.arrow`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function write(path: string, ...batches: readonly ArrowRow[][]): Promise<void> {
  using stream = await ArrowStream.open(path, FIELDS);
  for (const batch of batches) await stream.append(batch);
}

Deno.test("ArrowStream appends over several openings, and Arrow reads it as one table", () =>
  withFile(async (path) => {
    await write(path, rows(0, 3), [], rows(3, 4));
    await write(path, rows(4, 9));
    assertEquals(await readArrowStream(path), rows(0, 9));
    const { tableFromIPC } = await import("apache-arrow");
    const table = tableFromIPC(await Deno.readFile(path));
    assertEquals(table.numRows, 9);
    assertEquals(table.schema.names, FIELDS.map(({ name }) => name));
    using stream = await ArrowStream.open(path, FIELDS);
    assertEquals(stream.earlier, rows(0, 9));
    assertEquals(stream.droppedBytes, 0);
  }));

Deno.test("a file torn at any byte is read up to its last whole batch, and goes on from there", () =>
  withFile(async (path) => {
    await write(path);
    const ends = [(await Deno.stat(path)).size];
    for (let batch = 0; batch < 3; batch++) {
      await write(path, rows(2 * batch, 2 * batch + 2));
      ends.push((await Deno.stat(path)).size);
    }
    const whole = await Deno.readFile(path);
    for (let size = 0; size <= whole.length; size += 7) {
      const torn = whole.slice(0, size);
      await Deno.writeFile(path, torn);
      const batches = Math.max(0, ends.filter((end) => end <= size).length - 1);
      if (size >= ends[0]!) assertEquals(await readArrowStream(path), rows(0, 2 * batches));
      await write(path, [row(99)]);
      assertEquals(await readArrowStream(path), [...rows(0, 2 * batches), row(99)]);
    }
  }));

Deno.test("a tail of zeros is dropped", () =>
  withFile(async (path) => {
    await write(path, rows(0, 2));
    const { size } = await Deno.stat(path);
    await Deno.writeFile(path, new Uint8Array(1000), { append: true });
    assertEquals(await readArrowStream(path), rows(0, 2));
    using stream = await ArrowStream.open(path, FIELDS);
    assertEquals(stream.droppedBytes, 1000);
    assertEquals((await Deno.stat(path)).size, size);
  }));

Deno.test("a foreign file and other columns are refused and not touched", () =>
  withFile(async (path) => {
    await Deno.writeTextFile(path, "Not an Arrow file, but a text that somebody needs");
    await assertRejects(() => ArrowStream.open(path, FIELDS), TypeError, "no Arrow stream");
    await assertRejects(() => readArrowStream(path), TypeError, "no Arrow stream");
    assertEquals((await Deno.readTextFile(path)).slice(0, 6), "Not an");
    await Deno.remove(path);
    await write(path, rows(0, 2));
    const before = await Deno.readFile(path);
    await assertRejects(
      () => ArrowStream.open(path, FIELDS.slice(1)),
      TypeError,
      "columns must be count: Int32",
    );
    assertEquals(await Deno.readFile(path), before);
    await assertRejects(() => readArrowStream(`${path}.not`), Deno.errors.NotFound);
  }));

Deno.test("replaceLast() puts longer and shorter rows in place of the last batch", () =>
  withFile(async (path) => {
    using stream = await ArrowStream.open(path, FIELDS);
    await stream.append(rows(0, 2));
    await stream.append([row(5)]);
    for (const text of ["long".repeat(200), "", "longer than nothing"]) {
      await stream.replaceLast([{ ...row(6), text }]);
      assertEquals(await readArrowStream(path), [...rows(0, 2), { ...row(6), text }]);
    }
    await stream.append([row(7)]);
    assertEquals((await readArrowStream(path)).length, 4);
  }));

Deno.test("an append that does not fit on the disk leaves whole batches, and can be tried again", () =>
  withFile(async (path) => {
    using stream = await ArrowStream.open(path, FIELDS);
    await stream.append(rows(0, 2));
    const { size } = await Deno.stat(path);
    {
      using _full = diskFull({ afterBytes: 100 });
      await assertRejects(() => stream.append(rows(2, 4)), Error, "No space left");
    }
    assertEquals((await Deno.stat(path)).size, size);
    await stream.append(rows(2, 3));
    assertEquals(await readArrowStream(path), rows(0, 3));
  }));

Deno.test("a replacement that does not fit on the disk leaves the old rows, and can be tried again", () =>
  withFile(async (path) => {
    using stream = await ArrowStream.open(path, FIELDS);
    await stream.append(rows(0, 2));
    await stream.append([row(2)]);
    const before = await Deno.readFile(path);
    {
      using _full = diskFull({ afterBytes: 10 });
      await assertRejects(() => stream.replaceLast(rows(3, 90)), Error, "No space left");
    }
    assertEquals(await Deno.readFile(path), before);
    await stream.replaceLast(rows(2, 40));
    await stream.append([row(40)]);
    assertEquals(await readArrowStream(path), rows(0, 41));
  }));

Deno.test("an append to a file that was removed is refused", () =>
  withFile(async (path) => {
    using stream = await ArrowStream.open(path, FIELDS);
    await Deno.remove(path);
    await assertRejects(() => stream.append([row(1)]), Deno.errors.NotFound, "was removed");
  }));

Deno.test("a file that is open for appending is refused to others until it is closed", () =>
  withFile(async (path) => {
    const stream = await ArrowStream.open(path, FIELDS);
    await assertRejects(() => ArrowStream.open(path, FIELDS), Error, "being written already");
    await stream.append([row(1)]);
    stream.close();
    using again = await ArrowStream.open(path, FIELDS);
    assertEquals(again.earlier, [row(1)]);
  }));

Deno.test("descriptions longer than what is read at once are found", () =>
  withFile(async (path) => {
    const many = Array.from(
      { length: 300 },
      (_, x): ArrowField => ({ name: `column ${x}`, type: "int32" }),
    );
    const wide = Object.fromEntries(many.map(({ name }, x) => [name, x]));
    {
      using stream = await ArrowStream.open(path, many, { metadata: { about: "x".repeat(9000) } });
      await stream.append([wide]);
      await stream.append([wide, wide]);
    }
    assertEquals(await readArrowStream(path), [wide, wide, wide]);
    using stream = await ArrowStream.open(path, many, { rows: "last" });
    assertEquals(stream.earlier, [wide, wide]);
  }));
