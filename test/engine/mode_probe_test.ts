import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { MADE_UP, madeUpRows, withMadeUpProbe } from "./made_up_heads.ts";
import { onBackends, openOr } from "./tiny_model.ts";

const { tokens, heads, dim, scale, how } = MADE_UP;

/** What a head's output is off by in a row that sees only some keys, written out in float64. */
function errorByHand(head: number, row: number, sees: (key: number) => boolean): number {
  const { q, k, v } = madeUpRows();
  const at = (token: number) => (token * heads + head) * dim;
  const weights = Array.from({ length: row + 1 }, (_, key) => {
    let score = 0;
    for (let c = 0; c < dim; c++) score += q[at(row) + c]! * k[at(key) + c]!;
    return Math.exp(scale * score);
  });
  const output = (shown: (key: number) => boolean, c: number) => {
    const sum = (of: (key: number) => number) =>
      weights.reduce((total, weight, key) => total + (shown(key) ? weight * of(key) : 0), 0);
    return sum((key) => v[at(key) + c]!) / sum(() => 1);
  };
  let [difference, norm] = [0, 0];
  for (let c = 0; c < dim; c++) {
    const whole = output(() => true, c);
    difference += (output(sees, c) - whole) ** 2;
    norm += whole ** 2;
  }
  return Math.sqrt(difference / norm);
}

for (const name of ["reference", "cpu"] as const) {
  Deno.test(`tryModes() tells the errors of rows that the softmax written out has (${name})`, async () => {
    const backend = await openOr(name);
    if (!backend) return void console.log(`skipped: no ${name} backend here`);
    const trials = await withMadeUpProbe(backend, (probe) => probe.tryModes(how));
    assertEquals(trials.length, heads);
    trials.forEach(({ errors }, head) => {
      assertEquals(errors.streaming.length, how.rows);
      errors.streaming.forEach((error, x) => {
        const row = tokens - how.rows + x;
        const sees = (key: number) => key < how.sink || key > row - how.window;
        assertAlmostEquals(error, errorByHand(head, row, sees), 1e-4);
      });
    });
  });

  Deno.test(`tryModes() tells heads apart that need windows, means, few keys and many (${name})`, async () => {
    const backend = await openOr(name);
    if (!backend) return void console.log(`skipped: no ${name} backend here`);
    const trials = await withMadeUpProbe(backend, (probe) => probe.tryModes(how));
    const [window, means, few, many] = trials.map(({ errors: { streaming, tail, index } }) => ({
      streaming: Math.max(...streaming),
      tail: Math.max(...tail),
      index: Math.max(...index),
    }));
    assert(window!.streaming < 0.01);
    assert(means!.streaming > 0.5 && means!.tail < 0.01);
    assert(few!.tail > 0.5 && few!.index < 0.01);
    assert(many!.index > 0.5);
    const end = tokens - how.rows + 1 - how.window;
    for (const { scanned, clusters } of trials) {
      assertEquals([scanned, clusters], [
        end - how.sink,
        Math.ceil((end - how.sink) / how.tailKeys),
      ]);
    }
  });
}

onBackends("tryModes() is exact where the index returns every key", "llama", async (model) => {
  const ids = Int32Array.from({ length: 90 }, (_, x) => (x * 31) % 88);
  for await (const probe of model.session().probe(ids)) {
    const trials = await probe.tryModes({ sink: 3, window: 8, rows: 4, topK: 90, tailKeys: 8 });
    for (const { errors } of trials) {
      assert(Math.max(...errors.index) < 1e-4);
      assert(Math.max(...errors.streaming) > 1e-3);
    }
    const wide = () => probe.tryModes({ sink: 3, window: 80, rows: 9 });
    await assertRejects(wide, RangeError, "longer than sink, window and rows");
    await assertRejects(() => probe.tryModes({ rows: 0 }), RangeError, "rows at least 1");
  }
});
