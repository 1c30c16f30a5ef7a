/** The reference's estimates against brute force over n x n matrices in numpy (`fixtures/make_estimates.py`). */
import type { KvView, Tensor } from "../../ffi/backend.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { Fixture } from "./fixture.ts";
import { Scope } from "./scope.ts";
import { assertClose } from "./tolerance.ts";

/** The reference computes in float64 and rounds its result once: 6e-8 relative, and some for the fixture's digits. */
const TOLERANCE = 3e-7;

interface Estimate {
  readonly fixture: Fixture;
  readonly scope: Scope;
  readonly q: Tensor;
  readonly kv: KvView;
  /** All query heads. */
  readonly heads: readonly number[];
}

for (const name of ["verticalSlash", "verticalSlashAll"] as const) {
  Deno.test(`verticalSlash() equals the sums of numpy's n x n softmax: ${name}`, async () => {
    await withFixture(name, async ({ fixture, scope: { backend }, q, kv, heads }) => {
      const [qStart, scale] = [fixture.number("qStart"), fixture.number("scale")];
      const sums = await backend.verticalSlash(q, qStart, heads, scale, kv);
      equalsFixture(sums.map(({ vertical }) => vertical), fixture, "vertical");
      equalsFixture(sums.map(({ slash }) => slash), fixture, "slash");
    });
  });
}

Deno.test("poolQueries(), poolKeys() and blockScores() equal numpy's means and their softmax", async () => {
  await withFixture("blocks", async ({ fixture, scope, q, kv, heads }) => {
    const { backend } = scope;
    const [qStart, block, scale] = ["qStart", "block", "scale"].map((key) => fixture.number(key));
    const [meanQ, meanK] = ["meanQ", "meanK"].map((key) => scope.tensor(fixture.array(key).shape));
    await backend.poolQueries(q, block!, meanQ!);
    await backend.poolKeys(kv, 0, block!, meanK!);
    equalsFixture([meanQ!.read()], fixture, "meanQ");
    equalsFixture([meanK!.read()], fixture, "meanK");
    const blocks = { q: meanQ!, k: meanK!, qStart: qStart!, block: block! };
    const score = async (softmax: boolean) =>
      await backend.blockScores(blocks, heads, scale!, softmax);
    equalsFixture([await score(false)], fixture, "scores");
    equalsFixture([await score(true)], fixture, "probs");
  });
});

for (const name of ["antidiagonals", "antidiagonalsGolden"] as const) {
  Deno.test(`antidiagonalScores() equals numpy's sums of pairs of tokens: ${name}`, async () => {
    await withFixture(name, async ({ fixture, scope: { backend }, q, kv, heads }) => {
      const [stride, block] = [fixture.number("stride"), fixture.number("block")];
      const scale = 1 / Math.sqrt(q.shape[2]!);
      const scores = await backend.antidiagonalScores(q, 0, heads, scale, kv, stride, block);
      equalsFixture([scores], fixture, "scores");
    });
  });
}

Deno.test("keyBounds() and boundScores() equal numpy's", async () => {
  await withFixture("bounds", async ({ fixture, scope, q, kv, heads }) => {
    const { backend } = scope;
    const [min, max] = ["min", "max"].map((key) => scope.tensor(fixture.array(key).shape));
    const bounds = { min: min!, max: max! };
    await backend.keyBounds(kv, fixture.number("start"), fixture.number("block"), bounds);
    equalsFixture([min!.read()], fixture, "min");
    equalsFixture([max!.read()], fixture, "max");
    const scores = await backend.boundScores(q, fixture.number("row"), heads, bounds);
    equalsFixture([scores], fixture, "scores");
  });
});

async function withFixture(
  name: ConstructorParameters<typeof Fixture>[0],
  test: (estimate: Estimate) => Promise<void>,
): Promise<void> {
  using scope = new Scope(openReferenceBackend());
  const fixture = new Fixture(name);
  const [q, k] = [fixture.array("q"), fixture.array("k")];
  const [length = 0, kvHeads = 0, dim = 0] = k.shape;
  const kv = await scope.kv({ k: k.f32, v: k.f32, length, kvHeads, dim });
  const heads = Array.from({ length: q.shape[1]! }, (_, head) => head);
  await test({ fixture, scope, q: scope.tensor(q.shape, q.f32), kv, heads });
}

function equalsFixture(rows: readonly Float32Array[], fixture: Fixture, key: string): void {
  const { f32, shape } = fixture.array(key);
  const values = Float32Array.from(rows.flatMap((row) => [...row]));
  const width = shape.at(-1)!;
  assertClose({ name: key, values, width }, { name: key, values: f32, width }, TOLERANCE);
}
