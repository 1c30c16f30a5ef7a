/**
 * The few functions of onnxruntime's C API that run a model on arrays of ours. The package's JavaScript API copies every
 * output, which for a cache of keys and values takes longer than the attention.
 */
import { ELEMENT, encodeModel, type ModelValue, type OneNodeModel } from "./onnx_model.ts";

const LIBRARY = "libonnxruntime.so.1";

/** A version of the table of functions that has all that are used here. */
const API_VERSION = 17;

/** Places in `OrtApi`, the table of functions, to which newer versions only append. */
const PLACE = {
  GetErrorMessage: 2,
  CreateEnv: 3,
  CreateSessionFromArray: 8,
  Run: 9,
  CreateSessionOptions: 10,
  SetIntraOpNumThreads: 24,
  CreateTensorWithDataAsOrtValue: 49,
  CreateCpuMemoryInfo: 69,
  ReleaseSession: 95,
  ReleaseValue: 96,
  ReleaseSessionOptions: 100,
} as const;

const WARNINGS = 2;
const DEVICE_ALLOCATOR = 0;
const DEFAULT_MEMORY = 0;

type Pointer = Deno.PointerValue;
type Parameters = readonly ("pointer" | "buffer" | "usize" | "i32")[];
type Arguments = readonly (Pointer | BufferSource | bigint | number)[];

/** Elements of a tensor. */
export type Elements =
  | Float32Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>;

/** A tensor and its elements. */
export interface Tensor extends ModelValue {
  /** Its elements, read or written in place. */
  readonly data: Elements;
}

/** A model with the arrays that it reads and writes. */
export interface BoundNode extends OneNodeModel {
  /** Inputs in the order of the operation. */
  readonly inputs: readonly Tensor[];
  /** Outputs in the order of the operation. */
  readonly outputs: readonly Tensor[];
}

/** Inputs or outputs of a session. */
interface Bound {
  readonly count: bigint;
  readonly values: readonly Pointer[];
  readonly data: readonly Elements[];
  readonly names: readonly Uint8Array<ArrayBuffer>[];
}

/** A model that is ready. */
export interface BoundModel {
  /** Runs it. */
  run(): void;
  /** Frees it. */
  close(): void;
}

/** A loaded onnxruntime. */
export class OnnxRuntimeApi {
  /** Its version. */
  readonly version: string;
  readonly #table: Deno.UnsafePointerView;
  readonly #environment: Pointer;
  readonly #memory: Pointer;

  /** Opens the library of the package, which must have been imported. */
  constructor() {
    // const OrtApiBase * OrtGetApiBase(void)
    const symbols = { OrtGetApiBase: { parameters: [], result: "pointer" } } as const;
    const base = new Deno.UnsafePointerView(
      Deno.dlopen(LIBRARY, symbols).symbols.OrtGetApiBase()!,
    );
    // struct OrtApiBase {const OrtApi * (*GetApi)(uint32_t version); const char * (*GetVersionString)(void);}
    const getApi = { parameters: ["u32"], result: "pointer" } as const;
    const getVersion = { parameters: [], result: "pointer" } as const;
    const table = new Deno.UnsafeFnPointer(functionAt(base, 0), getApi).call(API_VERSION);
    this.version = textAt(new Deno.UnsafeFnPointer(functionAt(base, 1), getVersion).call());
    if (table === null) throw new Error(`onnxruntime ${this.version} has another C API`);
    this.#table = new Deno.UnsafePointerView(table);
    this.#environment = this.#create("CreateEnv", ["i32", "buffer"], [WARNINGS, cString("peer")]);
    this.#memory = this.#create("CreateCpuMemoryInfo", ["i32", "i32"], [
      DEVICE_ALLOCATOR,
      DEFAULT_MEMORY,
    ]);
  }

  /** Makes a model ready. An array that is input and output is changed in place. */
  bind(model: BoundNode, threads: number): BoundModel {
    const session = this.#session(encodeModel(model), threads);
    const [inputs, outputs] = [this.#bound(model.inputs), this.#bound(model.outputs)];
    return {
      run: this.#runner(session, inputs, outputs),
      close: () => {
        this.#release("ReleaseSession", session);
        for (const value of [...inputs.values, ...outputs.values]) {
          this.#release("ReleaseValue", value);
        }
      },
    };
  }

  #bound(tensors: readonly Tensor[]): Bound {
    return {
      count: BigInt(tensors.length),
      values: tensors.map((tensor) => this.#tensor(tensor)),
      // Held as long as the model: the library keeps no copy.
      data: tensors.map(({ data }) => data),
      names: tensors.map(({ name }) => cString(name)),
    };
  }

  #runner(session: Pointer, inputs: Bound, outputs: Bound): () => void {
    // OrtSession *, const OrtRunOptions *, input names, const OrtValue * const * inputs, size_t, output names, size_t,
    // OrtValue ** outputs
    const run = this.#function("Run", [
      ...["pointer", "pointer", "buffer", "buffer"] as const,
      ...["usize", "buffer", "usize", "buffer"] as const,
    ]);
    const namesIn = addresses(inputs.names.map(addressOf));
    const namesOut = addresses(outputs.names.map(addressOf));
    const valuesIn = addresses(inputs.values);
    const valuesOut = addresses(outputs.values);
    const { count } = inputs;
    return () => run([session, null, namesIn, valuesIn, count, namesOut, outputs.count, valuesOut]);
  }

  #session(model: Uint8Array<ArrayBuffer>, threads: number): Pointer {
    const options = this.#create("CreateSessionOptions", [], []);
    this.#function("SetIntraOpNumThreads", ["pointer", "i32"])([options, threads]);
    try {
      // const OrtEnv *, const void * model, size_t bytes, const OrtSessionOptions *, OrtSession **
      return this.#create("CreateSessionFromArray", ["pointer", "buffer", "usize", "pointer"], [
        this.#environment,
        model,
        BigInt(model.length),
        options,
      ]);
    } finally {
      this.#release("ReleaseSessionOptions", options);
    }
  }

  #tensor({ type, shape, data }: Tensor): Pointer {
    // const OrtMemoryInfo *, void * data, size_t bytes, const int64_t * shape, size_t, ONNXTensorElementDataType,
    // OrtValue **
    const parameters: Parameters = ["pointer", "pointer", "usize", "buffer", "usize", "i32"];
    return this.#create("CreateTensorWithDataAsOrtValue", parameters, [
      this.#memory,
      addressOf(data),
      BigInt(data.byteLength),
      BigInt64Array.from(shape, BigInt),
      BigInt(shape.length),
      ELEMENT[type],
    ]);
  }

  /** Calls a function whose last parameter is where it writes a pointer to what it made. */
  #create(name: keyof typeof PLACE, parameters: Parameters, given: Arguments): Pointer {
    const made = new BigUint64Array(1);
    this.#function(name, [...parameters, "buffer"])([...given, made]);
    return Deno.UnsafePointer.create(made[0]!);
  }

  /** A function that returns an `OrtStatus *`, which is null where it succeeds. */
  #function(name: keyof typeof PLACE, parameters: Parameters): (given: Arguments) => void {
    const pointer = functionAt(this.#table, PLACE[name]);
    const native = new Deno.UnsafeFnPointer(pointer, { parameters, result: "pointer" });
    return (given) => {
      const status = native.call(...given as never[]) as Pointer;
      if (status !== null) throw new Error(this.#message(status));
    };
  }

  #message(status: Pointer): string {
    const pointer = functionAt(this.#table, PLACE.GetErrorMessage);
    const symbol = { parameters: ["pointer"], result: "pointer" } as const;
    return textAt(new Deno.UnsafeFnPointer(pointer, symbol).call(status));
  }

  #release(name: keyof typeof PLACE, owned: Pointer): void {
    const symbol = { parameters: ["pointer"], result: "void" } as const;
    new Deno.UnsafeFnPointer(functionAt(this.#table, PLACE[name]), symbol).call(owned);
  }
}

function functionAt(table: Deno.UnsafePointerView, place: number): Deno.PointerObject<never> {
  return table.getPointer(8 * place) as Deno.PointerObject<never>;
}

function addresses(pointers: readonly Pointer[]): BigUint64Array<ArrayBuffer> {
  return BigUint64Array.from(pointers, Deno.UnsafePointer.value);
}

/** The buffer is asked for: a small array may lie where the collector moves it as long as nobody does. */
function addressOf({ buffer, byteOffset }: Elements | Uint8Array<ArrayBuffer>): Pointer {
  return Deno.UnsafePointer.of(new Uint8Array(buffer, byteOffset));
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

function textAt(pointer: Pointer): string {
  return new Deno.UnsafePointerView(pointer!).getCString();
}
