/**
 * `deno run --allow-all test/gpu/pack.ts`: packs Deno, the npm packages of `test:gpu` and `bench:gpu`, and the CUDA
 * libraries that are built into `.build/gpu-pack.txz`, for a machine that can download nothing. README.md beside it tells
 * how to use it.
 */
import { setup } from "../setup.ts";

const ENTRIES = [
  ...["lib/cli/build.ts", "lib/cli/build_cuda.ts", "lib/cli/bench_gpu.ts", "lib/cli/doctor.ts"],
  ...["test/gpu/run.ts", "test/gpu/recall.ts", "test/gpu/capture.ts", "test/kernels/cuda_test.ts"],
];
const BUILD = ".build";
const PACK = `${BUILD}/gpu-pack.txz`;

async function run(command: string, args: string[], env: Record<string, string> = {}) {
  const { success } = await new Deno.Command(command, { args, env }).spawn().status;
  if (!success) throw new Error(`Cannot pack as ${command} ${args[0]} failed: see above`);
}

const folder = await Deno.makeTempDir({ prefix: "longlens-pack-" });
try {
  const { flags } = await setup(folder);
  const pack = `${folder}/pack`;
  await Deno.mkdir(`${pack}/deno_dir`, { recursive: true });
  await Deno.mkdir(`${pack}/${BUILD}`, { recursive: true });
  await Deno.mkdir(BUILD, { recursive: true });
  await run(Deno.execPath(), ["cache", ...flags, ...ENTRIES], { DENO_DIR: `${pack}/deno_dir` });
  await Deno.copyFile(Deno.execPath(), `${pack}/deno`);
  for await (const { name } of Deno.readDir(BUILD)) {
    if (/^liblonglens_cuda-.*\.so$/.test(name)) {
      await Deno.copyFile(`${BUILD}/${name}`, `${pack}/${BUILD}/${name}`);
    }
  }
  await run("tar", ["-cJf", PACK, "-C", pack, "deno", "deno_dir", BUILD], { XZ_OPT: "-T0" });
  console.log(`${PACK}: ${((await Deno.stat(PACK)).size / 2 ** 20).toFixed(0)} MB`);
} finally {
  await Deno.remove(folder, { recursive: true });
}
