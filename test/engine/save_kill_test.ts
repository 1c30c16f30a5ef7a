import { assert, assertEquals, assertGreater } from "@std/assert";
import { fileURLToPath } from "node:url";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import type { Session } from "../../lib/engine/session.ts";
import { Random } from "../random.ts";
import { inFolder } from "../in_folder.ts";
import { assertSameFuture, digestOf, namesBeside, restored } from "./saved.ts";
import { firstSession } from "./save_child.ts";
import { openOr, someIds, tiny, type TinyModel } from "./tiny_model.ts";

const KILLS = 100;
const LONGEST_MS = 60;
const CHILD = fileURLToPath(new URL("save_child.ts", import.meta.url));

/** Starts a child, kills it some time after it began to save, and returns the lengths that it said were saved. */
async function killed(path: string, backend: string, delayMs: number): Promise<number[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: childArgs(path, backend),
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    if (said === "") setTimeout(() => child.kill("SIGKILL"), delayMs);
    said += text;
  }
  assertEquals((await child.status).signal, "SIGKILL");
  const [first, ...lengths] = said.split("\n").slice(0, -1);
  assertEquals(first, "started");
  return lengths.map(Number);
}

/** What a child may have saved: the session at a length, and its file. Each is made once. */
class Expected {
  readonly #session: Session;
  readonly #path: string;
  readonly #firstLength: number;
  readonly #digests: string[] = [];

  /** Goes on from `first`, and saves to `path`. */
  constructor(first: Session, path: string) {
    this.#session = first;
    this.#path = path;
    this.#firstLength = first.length;
  }

  /** Digest of the file of a session of `length` tokens. */
  async digest(length: number): Promise<string> {
    while (this.#firstLength + this.#digests.length <= length) {
      await this.#session.save(this.#path);
      this.#digests.push(digestOf(this.#path));
      await this.#session.step();
    }
    return this.#digests[length - this.#firstLength]!;
  }
}

async function survives(
  model: TinyModel,
  backend: string,
  path: string,
  expectedPath: string,
): Promise<void> {
  const random = new Random(5);
  const first = await firstSession(model);
  await first.save(path);
  const expected = new Expected(first.fork(), expectedPath);
  let held = first.length;
  let leftovers = 0, saves = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const lengths = await killed(path, backend, random.integer(0, LONGEST_MS));
    const copy = await restored(model, path);
    const least = lengths.at(-1) ?? -1;
    const known = [least, least + 1, ...lengths.length === 0 ? [held, first.length] : []];
    assert(known.includes(copy.length), `${copy.length} is not one of ${known}`);
    held = copy.length;
    assertEquals(digestOf(path), await expected.digest(held));
    copy.close();
    saves += lengths.length;
    if (namesBeside(path).length > 1) leftovers++;
  }
  console.log(`${saves} saves, ${leftovers} of ${KILLS} kills within one`);
  assertGreater(leftovers, KILLS / 10);
  await first.save(path);
  assertEquals(namesBeside(path).length, 1);
}

Deno.test("save() that is killed at any time leaves a file that was saved whole", async () => {
  const native = await openOr("cpu");
  const backend = native ?? (await openOr("reference"))!;
  const model = await tiny("llama", backend);
  await inFolder((folder) =>
    inFolder((other) => survives(model, backend.name, `${folder}/a.session`, `${other}/a.session`))
  );
  model.close();
});

Deno.test({
  name: "save() on a disk that is full keeps the old file and the session",
  ignore: Deno.build.os === "windows",
  fn: () => inFolder((folder) => fullDisk(`${folder}/a.session`)),
});

/** A limit on the size of files makes writes fail as a full disk does: amid a section. */
async function fullDisk(path: string): Promise<void> {
  const model = await tiny("llama", openReferenceBackend());
  const session = model.session();
  await session.prefill(someIds(20));
  await session.save(path);
  const limited = 'trap "" XFSZ; ulimit -f 100; exec "$@"';
  const { code, stdout } = await new Deno.Command("sh", {
    args: ["-c", limited, "sh", Deno.execPath(), ...childArgs(path, "reference")],
    stderr: "inherit",
  }).output();
  assertEquals(code, 0);
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  assertEquals(lines, ["started", "SessionFileError", "600"]);
  assertEquals(namesBeside(path), ["a.session"]);
  await assertSameFuture(session, await restored(model, path));
  model.close();
}

function childArgs(path: string, backend: string): string[] {
  return ["run", "--allow-all", "--no-check", CHILD, path, backend];
}
