import { assert, assertEquals, assertRejects } from "@std/assert";
import { methods } from "../../lib/attention/methods.ts";
import { Model } from "../../lib/engine/model.ts";
import { readIndexTrials, writeIndexTrials } from "../../lib/eval/index_trial_file.ts";
import { type IndexTrialRow, indexTrials } from "../../lib/eval/index_trials.ts";
import { inFolder } from "../in_folder.ts";

const TOKENS = 700;
const IDS = Int32Array.from({ length: TOKENS }, (_, x) => 2 + (x * 7919 + (x >> 3) * 31) % 2000);
const TEXTS = [{ name: "numbers", text: IDS }];

async function rowsOf(model: Model, layers?: readonly number[]): Promise<IndexTrialRow[]> {
  const indexes = [
    { kind: "exact" },
    { kind: "flat4" },
    { kind: "clusters", share: 0.2 },
    { kind: "graph", width: 150 },
  ] as const;
  const rows: IndexTrialRow[] = [];
  const options = { texts: TEXTS, tokens: TOKENS, indexes, rows: 4, topK: 20 };
  for await (const row of indexTrials(model, { ...options, ...(layers ? { layers } : {}) })) {
    rows.push(row);
  }
  return rows;
}

Deno.test("indexTrials() yields a row for each index and head, exact search being perfect", async () => {
  const model = await Model.load();
  const rows = await rowsOf(model);
  model.close();
  assertEquals(rows.length, 4 * 6 * 4);
  for (const row of rows) {
    assertEquals([row.tokens, row.keys], [TOKENS, TOKENS - 128 - 512]);
    assert(row.mass <= row.exactMass + 1e-6 && row.exactMass <= 1);
    assert(row.massShare5 <= row.massShare + 1e-6 && row.massShare <= 1);
    // Means of clusters take away from the sum of exponentials, and add nothing.
    assert(row.tailMass >= row.mass - 1e-3 && row.tailMass < 1.02, `${row.tailMass}`);
    if (row.index === "flat4") assert(row.recall > 0.9 && row.scannedShare === 1);
    if (row.index !== "exact") continue;
    assertEquals([row.recall, row.massShare, row.scannedShare], [1, 1, 1]);
    assertEquals(row.error, row.exactError);
  }
  const errorOf = (value: (row: IndexTrialRow) => number) =>
    rows.reduce((sum, row) => sum + value(row), 0);
  assert(errorOf(({ tailError }) => tailError) < errorOf(({ error }) => error));
});

Deno.test("indexTrials() tells the mass that a step of a session measures", async () => {
  const model = await Model.load();
  const trials = (await rowsOf(model, [0])).filter(({ index }) => index === "exact");
  const session = model.session({ attention: methods.retrieval({ topK: 20 }) });
  await session.prefill(IDS.subarray(0, TOKENS));
  const step = await session.step({ capture: { layers: [0], exactMass: true } });
  const last: IndexTrialRow[] = [];
  const one = { texts: TEXTS, tokens: TOKENS, rows: 1, topK: 20, layers: [0] };
  for await (const row of indexTrials(model, { ...one, indexes: [{ kind: "exact" }] })) {
    last.push(row);
  }
  last.forEach(({ mass }, head) => {
    assert(Math.abs(mass - step.retrieval(0, head).mass!) < 1e-3, `head ${head}: ${mass}`);
  });
  assertEquals(trials.length, last.length);
  model.close();
});

Deno.test("index trials are read as they were written", () =>
  inFolder(async (folder) => {
    const model = await Model.load();
    const rows = await rowsOf(model, [2]);
    model.close();
    await writeIndexTrials(`${folder}/rows.arrow`, rows);
    await writeIndexTrials(`${folder}/rows.arrow`, rows.slice(0, 3));
    assertEquals(await readIndexTrials(`${folder}/rows.arrow`), [...rows, ...rows.slice(0, 3)]);
  }));

Deno.test("indexTrials() refuses texts that are too short, and rows beyond the window", async () => {
  const model = await Model.load();
  const collect = (options: { tokens: number; rows?: number }) =>
    Array.fromAsync(indexTrials(model, { texts: TEXTS, indexes: [{ kind: "exact" }], ...options }));
  await assertRejects(() => collect({ tokens: 640 }), RangeError, "longer than sink and window");
  await assertRejects(
    () => collect({ tokens: TOKENS, rows: 513 }),
    RangeError,
    "rows be of 1 to 512",
  );
  await assertRejects(() => collect({ tokens: 9000 }), RangeError, "must have 9000 tokens");
  model.close();
});
