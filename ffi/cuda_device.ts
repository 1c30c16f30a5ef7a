/** Asks the CUDA driver for a device. It is opened through FFI, so that no tool of CUDA is needed. */
import type { DeviceInfo } from "./backend.ts";
import { textOf } from "./native_run.ts";
import { granted } from "./permissions.ts";

const DRIVER = "libcuda.so.1";
const NAME_BYTES = 256;
const SUCCESS = 0;

/** Attributes of a device by their numbers in cuda.h. */
const MULTIPROCESSORS = 16, CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76;

const SYMBOLS = {
  cuInit: { parameters: ["u32"], result: "i32" },
  cuDriverGetVersion: { parameters: ["buffer"], result: "i32" },
  cuDeviceGetCount: { parameters: ["buffer"], result: "i32" },
  cuDeviceGetName: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  cuDeviceGetAttribute: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  cuDeviceTotalMem_v2: { parameters: ["buffer", "i32"], result: "i32" },
} as const;

type Driver = Deno.StaticForeignLibraryInterface<typeof SYMBOLS>;

/** The first CUDA device, or why there is none that can be used. */
export type DeviceAnswer =
  | { readonly device: DeviceInfo; readonly problem: null }
  | { readonly device: null; readonly problem: string };

let answer: DeviceAnswer | null = null;

/** The first CUDA device of this process. The driver is asked once. */
export function findCudaDevice(): DeviceAnswer {
  return answer ??= askDriver();
}

function askDriver(): DeviceAnswer {
  try {
    return { device: firstDevice(openDriver()), problem: null };
  } catch (error) {
    return { device: null, problem: (error as Error).message };
  }
}

function openDriver(): Driver {
  if (Deno.build.os !== "linux") throw new Error(`CUDA is not used on ${Deno.build.os}`);
  if (!granted({ name: "ffi" })) throw new Error(`the driver may not be asked without --allow-ffi`);
  try {
    return Deno.dlopen(DRIVER, SYMBOLS).symbols; // stays open: the library uses the same driver
  } catch {
    throw new Error(`there is no CUDA driver, ${DRIVER}`);
  }
}

function firstDevice(driver: Driver): DeviceInfo {
  check(driver.cuInit(0), "cuInit");
  const count = number((out) => driver.cuDeviceGetCount(out), "cuDeviceGetCount");
  if (count === 0) throw new Error("the CUDA driver has no device");
  const attribute = (which: number) =>
    number((out) => driver.cuDeviceGetAttribute(out, which, 0), "cuDeviceGetAttribute");
  const version = number((out) => driver.cuDriverGetVersion(out), "cuDriverGetVersion");
  const name = new Uint8Array(NAME_BYTES);
  check(driver.cuDeviceGetName(name, NAME_BYTES, 0), "cuDeviceGetName");
  const memory = new BigUint64Array(1);
  check(driver.cuDeviceTotalMem_v2(memory, 0), "cuDeviceTotalMem");
  return {
    name: textOf(name),
    driver: `${Math.floor(version / 1000)}.${Math.floor(version % 1000 / 10)}`,
    capability: `${attribute(CAPABILITY_MAJOR)}.${attribute(CAPABILITY_MINOR)}`,
    memoryBytes: Number(memory[0]),
    multiprocessors: attribute(MULTIPROCESSORS),
  };
}

function number(call: (out: Int32Array<ArrayBuffer>) => number, name: string): number {
  const out = new Int32Array(1);
  check(call(out), name);
  return out[0]!;
}

function check(status: number, name: string): void {
  if (status !== SUCCESS) throw new Error(`the CUDA driver's ${name} failed with error ${status}`);
}
