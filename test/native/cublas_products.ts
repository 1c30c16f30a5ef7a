/**
 * `cublas_products.ts LIBRARY FAKE`: prints results of bf16 products of LIBRARY, which takes cuBLASLt from where
 * LONGLENS_CUBLAS says, and how many of them FAKE has computed. Needs the import map of `test/setup.ts`.
 */
import { NativeBackend } from "../../ffi/native_backend.ts";
import { NativeLibrary } from "../../ffi/native_library.ts";
import { matrix } from "../kernels/matrix.ts";
import { Scope } from "../kernels/scope.ts";
import { Random } from "../random.ts";

/** What is printed, as JSON. */
export interface Products {
  /** Products that the fake has computed. */
  readonly faked: number;
  /** Results by name, rows of `width` numbers. */
  readonly results: Readonly<Record<string, { width: number; values: number[] }>>;
}

const [ROWS, HIDDEN, FFN] = [20, 32, 40] as const;

if (import.meta.main) {
  const [library, fake] = Deno.args;
  const backend = new NativeBackend(NativeLibrary.load(library!), "bf16");
  backend.library.start(0, "");
  const results = await compute(backend);
  const { symbols } = Deno.dlopen(fake!, {
    FakeCublasProducts: { parameters: [], result: "i32" },
  });
  const products: Products = { faked: symbols.FakeCublasProducts(), results };
  console.log(JSON.stringify(products));
}

async function compute(backend: NativeBackend): Promise<Products["results"]> {
  using scope = new Scope(backend);
  const random = new Random(5);
  return {
    "logits of 44": { width: 44, values: await logits(scope, random, 44) },
    "logits of 45": { width: 45, values: await logits(scope, random, 45) },
    output: { width: HIDDEN, values: await output(scope, random) },
  };
}

async function logits(scope: Scope, random: Random, vocab: number): Promise<number[]> {
  const x = matrix(scope, random, ROWS, HIDDEN);
  const norm = scope.tensor([HIDDEN], random.normals(HIDDEN));
  const head = matrix(scope, random, vocab, HIDDEN, "bf16");
  const out = scope.tensor([ROWS, vocab]);
  await scope.backend.logits(x, norm, 1e-5, head, out);
  return [...out.read()];
}

async function output(scope: Scope, random: Random): Promise<number[]> {
  const x = matrix(scope, random, ROWS, HIDDEN);
  const attention = scope.tensor([ROWS, 2, 20], random.normals(ROWS * 40));
  await scope.backend.output(x, attention, {
    wo: matrix(scope, random, HIDDEN, 40, "bf16"),
    attentionPostNorm: null,
    norm: scope.tensor([HIDDEN], random.normals(HIDDEN)),
    eps: 1e-5,
    wGate: matrix(scope, random, FFN, HIDDEN, "bf16"),
    wUp: matrix(scope, random, FFN, HIDDEN, "bf16"),
    wDown: matrix(scope, random, HIDDEN, FFN, "bf16"),
    ffnPostNorm: null,
    activation: "silu",
  });
  return [...x.read()];
}
