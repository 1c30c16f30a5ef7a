/** The native loops that measure what this machine can do at most: built by the compiler of the product's library. */
import { compile, type Compiler, findCompiler } from "../../ffi/compiler.ts";
import { isFile } from "../../ffi/build_folder.ts";
import { BackendError } from "../../ffi/errors.ts";
import { libraryFolders } from "../../ffi/library.ts";

/** A file to compile and its flags. */
interface Source {
  readonly file: string;
  readonly flags: readonly string[];
}

const FOLDER = new URL("native/", import.meta.url);
const FLAGS = ["-std=c++20", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast"]
  .concat(["-pthread", "-Wall", "-Wextra"]);
const KEY_DIGITS = 16;
const NAMES_BYTES = 256;

/** Vector loops of an instruction set: its constant and name, bytes of a vector, how to see whether it runs here. */
function vectors(unit: string, name: string, bytes: number, test: string): string[] {
  return [`-DBENCH_UNIT=${unit}`, `-DBENCH_NAME="${name}"`, `-DBENCH_BYTES=${bytes}`]
    .concat(`-DBENCH_TEST=${test}`);
}

const supports = (feature: string) => `__builtin_cpu_supports("${feature}")`;

const X86_SOURCES: readonly Source[] = [
  {
    file: "unit.cpp",
    flags: ["-mavx2", "-mfma"]
      .concat(vectors("kAvx2", "avx2", 32, `${supports("avx2")}&&${supports("fma")}`)),
  },
  {
    file: "unit.cpp",
    flags: ["-mavx512f", "-mavx2", "-mfma"]
      .concat(vectors("kAvx512", "avx512", 64, supports("avx512f"))),
  },
  { file: "avx512bf16.cpp", flags: ["-mavx512bf16", "-mavx512f"] },
  { file: "amx.cpp", flags: ["-mamx-tile", "-mamx-bf16"] },
];

const SOURCES: readonly Source[] = [
  { file: "ceilings.cpp", flags: [] },
  { file: "unit.cpp", flags: vectors("kPortable", "portable", 16, "true") },
  ...(Deno.build.arch === "x86_64" ? X86_SOURCES : []),
];

const SYMBOLS = {
  bench_units: { parameters: ["buffer", "i32"], result: "i32" },
  bench_allocate: { parameters: ["i64", "i32", "buffer"], result: "i32", nonblocking: true },
  bench_free: { parameters: ["pointer"], result: "void" },
  bench_read: {
    parameters: ["pointer", "i64", "i32", "f64", "buffer", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  bench_peak: {
    parameters: ["buffer", "i32", "f64", "buffer", "buffer"],
    result: "i32",
    nonblocking: true,
  },
} as const;

/** What a measurement gave. */
export interface CeilingRate {
  /** Bytes or floating-point operations a second, in the best repetition. */
  readonly rate: number;
  /** A number that depends on everything that was computed. */
  readonly check: number;
}

/** Random data. */
export interface ReadMemory {
  /** Bytes a second that `threads` read of its first `bytes`, again and again for `seconds`. */
  read(bytes: number, threads: number, seconds: number): Promise<CeilingRate>;
  /** Gives it back; no read may be running. */
  free(): void;
}

/** The loaded loops. */
export class CeilingsLibrary {
  readonly #library: Deno.DynamicLibrary<typeof SYMBOLS>;

  private constructor(path: string) {
    this.#library = Deno.dlopen(path, SYMBOLS);
  }

  /**
   * Builds the loops into the checkout's build folder, unless they are there, and loads them.
   *
   * @throws {LibraryError} without a compiler, or when it fails
   */
  static async open(): Promise<CeilingsLibrary> {
    return new CeilingsLibrary(await build(libraryFolders()[0]!.path));
  }

  /** Instruction sets that run here, the best one last. */
  units(): string[] {
    const text = new Uint8Array(NAMES_BYTES);
    check(this.#library.symbols.bench_units(text, NAMES_BYTES), "list instruction sets");
    return new TextDecoder().decode(text.subarray(0, text.indexOf(0))).split(",");
  }

  /** Random data of `bytes`, to be read. */
  async memory(bytes: number, threads: number): Promise<ReadMemory> {
    const { bench_allocate, bench_free, bench_read } = this.#library.symbols;
    const address = new BigUint64Array(1);
    check(await bench_allocate(BigInt(bytes), threads, address), `make ${bytes} bytes of data`);
    const memory = Deno.UnsafePointer.create(address[0]!);
    return {
      read: async (part, threads, seconds) => {
        const [rate, sum] = [new Float64Array(1), new Float64Array(1)];
        const status = await bench_read(memory, BigInt(part), threads, seconds, rate, sum);
        check(status, `read ${part} bytes on ${threads} threads`);
        return { rate: rate[0]!, check: sum[0]! };
      },
      free: () => bench_free(memory),
    };
  }

  /** Operations a second of an instruction set on `threads`, measured for `seconds`. */
  async peak(unit: string, threads: number, seconds: number): Promise<CeilingRate> {
    const [rate, sum] = [new Float64Array(1), new Float64Array(1)];
    const name = new TextEncoder().encode(`${unit}\0`);
    const { bench_peak } = this.#library.symbols;
    check(
      await bench_peak(name, threads, seconds, rate, sum),
      `measure the peak of ${unit} on ${threads} threads`,
    );
    return { rate: rate[0]!, check: sum[0]! };
  }

  /** Unloads them. */
  close(): void {
    this.#library.close();
  }
}

function check(status: number, action: string): void {
  if (status !== 0) throw new BackendError(`Cannot ${action}: status ${status}`);
}

async function build(folder: string): Promise<string> {
  const path = `${folder}/libceilings-${await key()}.so`;
  if (await isFile(path)) return path;
  const compiler = await findCompiler();
  await Deno.mkdir(folder, { recursive: true });
  const work = await Deno.makeTempDir({ dir: folder, prefix: "ceilings-" });
  try {
    await Deno.rename(await compileAll(compiler, work), path);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return path;
}

async function key(): Promise<string> {
  const files = ["ceilings.h", ...SOURCES.map(({ file }) => file)];
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(new URL(file, FOLDER))));
  const inputs = new TextEncoder().encode(JSON.stringify([FLAGS, SOURCES, texts]));
  const digest = await crypto.subtle.digest("SHA-256", inputs);
  return new Uint8Array(digest).toHex().slice(0, KEY_DIGITS);
}

async function compileAll(compiler: Compiler, work: string): Promise<string> {
  const { signal } = new AbortController();
  const run = (args: readonly string[]) => compile(compiler, { args, cwd: work, signal });
  const folder = decodeURIComponent(FOLDER.pathname);
  await Promise.all(
    SOURCES.map(({ file, flags }, i) =>
      run([...FLAGS, ...flags, "-c", `${folder}${file}`, "-o", `${i}.o`])
    ),
  );
  const objects = SOURCES.map((_, i) => `${i}.o`);
  await run(["-shared", "-pthread", ...objects, "-o", "ceilings.so"]);
  return `${work}/ceilings.so`;
}
