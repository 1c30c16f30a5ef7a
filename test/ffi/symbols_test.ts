import { assert, assertEquals } from "@std/assert";
import {
  ABI_VERSION,
  DIRECT_SYMBOLS,
  inBackground,
  INDEX_SYMBOLS,
  RUN_SYMBOLS,
} from "../../ffi/symbols.ts";
import { declarations, HEADER } from "./header.ts";

const RUNS = { ...RUN_SYMBOLS, ...INDEX_SYMBOLS };
const table = await Deno.readTextFile(new URL("../../ffi/symbols.ts", import.meta.url));

/** The C declarations in the comments of ffi/symbols.ts, by function. */
function comments(name: string): string[] {
  const block = table.match(new RegExp(`  ${name}: \\{([\\s\\S]*?)result:`))?.[1] ?? "";
  return [...block.matchAll(/\/\/ (.*)/g)].map(([, text]) => text!);
}

function typesOf(declaration: string): string[] {
  if (declaration.includes("*")) return ["buffer", "u64"];
  const types: Record<string, string> = { int32_t: "i32", int64_t: "i64", float: "f32" };
  return [types[declaration.split(" ")[0]!]!];
}

Deno.test("the symbol table names the functions of the header, each once", () => {
  const names = [...Object.keys(DIRECT_SYMBOLS), ...Object.keys(RUNS)];
  assertEquals(names.toSorted(), [...declarations().keys()].toSorted());
});

Deno.test("the symbol table repeats the parameters of the header", () => {
  for (const [name, { parameters }] of declarations()) {
    assertEquals(comments(name), parameters, name);
  }
});

Deno.test("the symbol table gives each parameter a type that holds it", () => {
  const symbols: Record<string, { parameters: readonly string[] }> = {
    ...DIRECT_SYMBOLS,
    ...RUNS,
  };
  for (const [name, { parameters }] of declarations()) {
    const types = symbols[name]!.parameters;
    assertEquals(types.length, parameters.length, name);
    for (const [i, declaration] of parameters.entries()) {
      assert(typesOf(declaration).includes(types[i]!), `${name}: ${declaration} is no ${types[i]}`);
    }
  }
});

Deno.test("the symbol table returns what the header returns", () => {
  const symbols: Record<string, { result: string }> = { ...DIRECT_SYMBOLS, ...RUNS };
  for (const [name, { result }] of declarations()) {
    assertEquals(symbols[name]!.result, result.includes("*") ? "pointer" : "i32", name);
  }
});

Deno.test("RUN_SYMBOLS and INDEX_SYMBOLS are the functions that take an ll_run first", () => {
  const taking = [...declarations()].filter(([, { parameters }]) =>
    parameters[0]?.startsWith("ll_run*")
  );
  assertEquals(Object.keys(RUNS).toSorted(), taking.map(([name]) => name).toSorted());
});

Deno.test("inBackground() binds every function a second time, nonblocking", () => {
  const background = inBackground(RUNS);
  assertEquals(
    Object.keys(background),
    Object.keys(RUNS).map((name) => `${name}_background`),
  );
  for (const symbol of Object.values(background)) assert(symbol.nonblocking);
  assertEquals(background.ll_merge_background.parameters, RUN_SYMBOLS.ll_merge.parameters);
});

Deno.test("ABI_VERSION is the header's", () => {
  assertEquals(String(ABI_VERSION), HEADER.match(/#define LL_ABI_VERSION (\d+)/)?.[1]);
});

Deno.test("the header's codes are those that ffi/ writes out", () => {
  const codes = Object.fromEntries(
    [...HEADER.matchAll(/#define (LL_\w+) (\d+)/g)].map(([, name, value]) => [name, Number(value)]),
  );
  const { LL_INVALID_ARGUMENT, LL_OUT_OF_MEMORY, LL_CANCELLED } = codes;
  assertEquals([LL_INVALID_ARGUMENT, LL_OUT_OF_MEMORY, LL_CANCELLED], [1, 2, 3]);
  assertEquals([codes.LL_F32, codes.LL_BF16, codes.LL_F16], [0, 1, 2]);
  assertEquals([codes.LL_SILU, codes.LL_GELU_TANH, codes.LL_PAGE_TOKENS], [0, 1, 256]);
  assertEquals([codes.LL_FAST, codes.LL_SLOW], [0, 1]);
});
