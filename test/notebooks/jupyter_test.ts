import { assertEquals } from "@std/assert";
import { inFolder } from "../in_folder.ts";
import { findPython, writeKernelspec } from "./jupyter.ts";

Deno.test({
  name: "writeKernelspec() writes what deno jupyter --install writes, for the running Deno",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    inFolder(async (folder) => {
      const { success } = await new Deno.Command(Deno.execPath(), {
        args: ["jupyter", "--install"],
        env: { XDG_DATA_HOME: folder },
        stdout: "null",
        stderr: "null",
      }).output();
      assertEquals(success, true);
      await writeKernelspec(`${folder}/own`);
      const [installed, own] = await Promise.all(
        ["jupyter", "own"].map(async (name) =>
          JSON.parse(await Deno.readTextFile(`${folder}/${name}/kernels/deno/kernel.json`))
        ),
      );
      assertEquals(await Deno.realPath(own.argv[0]), await Deno.realPath(installed.argv[0]));
      installed.argv[0] = own.argv[0];
      assertEquals(own, installed);
    }),
});

Deno.test("findPython() takes the Python beside LONGLENS_JUPYTER, also through a link, and no other", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/bin`);
    await Deno.mkdir(`${folder}/links`);
    for (const name of ["jupyter", "python3"]) {
      await Deno.writeTextFile(`${folder}/bin/${name}`, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
    }
    await Deno.symlink(`${folder}/bin/jupyter`, `${folder}/links/jupyter`);
    const found = (path: string) => withEnv("LONGLENS_JUPYTER", `${folder}/${path}`, findPython);
    assertEquals(await found("bin/jupyter"), `${folder}/bin/python3`);
    assertEquals(await found("links/jupyter"), `${folder}/bin/python3`);
    assertEquals(await found("bin/python3"), `${folder}/bin/python3`);
    assertEquals(await found("elsewhere/jupyter"), undefined);
  }));

async function withEnv<T>(name: string, value: string, body: () => Promise<T>): Promise<T> {
  const before = Deno.env.get(name);
  Deno.env.set(name, value);
  try {
    return await body();
  } finally {
    if (before === undefined) Deno.env.delete(name);
    else Deno.env.set(name, before);
  }
}
