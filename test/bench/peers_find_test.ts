import { assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ChildPeer } from "../../lib/bench/peers/child_peer.ts";
import { denoCommand } from "../../lib/bench/peers/deno_command.ts";
import { LLAMA } from "../../lib/bench/peers/llama.ts";
import { PeerError } from "../../lib/bench/peers/peer_error.ts";
import { TORCH } from "../../lib/bench/peers/torch.ts";
import { PEERS } from "../../lib/bench/peers/peers.ts";
import { CASE, isRunning, present, program, shell } from "./peers_fixture.ts";

async function missing(found: ReturnType<typeof ChildPeer.find>): Promise<string> {
  const peer = await found;
  return "missing" in peer ? peer.missing : `found ${peer.version}`;
}

async function withVariable(name: string, value: string, work: () => Promise<void>) {
  const before = Deno.env.get(name);
  Deno.env.set(name, value);
  try {
    await work();
  } finally {
    if (before === undefined) Deno.env.delete(name);
    else Deno.env.set(name, before);
  }
}

Deno.test("ChildPeer.find() has the version that the child says", async () => {
  const peer = present(await ChildPeer.find(program("exec sleep 60")));
  assertEquals([peer.name, peer.version], ["peer", "1.2"]);
  await peer.close();
});

Deno.test("ChildPeer.find() says why a peer is missing", async () => {
  const nowhere = { program: "/nowhere/python3", args: [] };
  const cases = [
    [nowhere, "/nowhere/python3 is not there or not on the PATH"],
    [shell('echo \'{"missing":"no package"}\'; exec sleep 60'), "no package"],
    [shell("echo no such module >&2; exit 1"), "peer ended with status 1\nno such module"],
    [shell("echo Hello; exec sleep 60"), "Cannot read peer as it answered no JSON object: Hello"],
  ] as const;
  for (const [command, reason] of cases) {
    assertEquals(await missing(ChildPeer.find(program("", { command: () => command }))), reason);
  }
});

Deno.test("ChildPeer.find() does not wait for ever", async () => {
  const command = () => shell("exec sleep 60");
  const found = ChildPeer.find(program("", { command }), { startMs: 100 });
  assertEquals(await missing(found), "Cannot measure peer as it took longer than 0.1 s");
});

Deno.test("TORCH is missing where LONGLENS_PYTHON names no Python", async () => {
  await withVariable("LONGLENS_PYTHON", "/nowhere/python3", async () => {
    assertStringIncludes(await missing(ChildPeer.find(TORCH)), "/nowhere/python3 is not there");
  });
  await withVariable("LONGLENS_PYTHON", Deno.execPath(), async () => {
    assertStringIncludes(await missing(ChildPeer.find(TORCH)), "ended with status");
  });
});

Deno.test("LLAMA is missing where LONGLENS_GGML is a folder without ggml", async () => {
  const folder = await Deno.makeTempDir({ prefix: "longlens-peer-" });
  try {
    await withVariable("LONGLENS_GGML", folder, async () => {
      assertStringIncludes(await missing(ChildPeer.find(LLAMA)), `${folder} holds no ggml`);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a package that is not in the cache is missing, and is not downloaded", async () => {
  const module = import.meta.resolve("./fixtures/missing_package_child.ts");
  const found = ChildPeer.find(program("", { command: () => denoCommand(module) }));
  assertEquals(
    await missing(found),
    'it is not installed: run "deno cache npm:longlens-no-such-package@1.0.0"',
  );
});

Deno.test("PEERS have names of their own", () => {
  const names = PEERS.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("ChildPeer.measure() returns times and the note", async () => {
  const peer = present(
    await ChildPeer.find(
      program(`read line; echo '{"milliseconds":[3,1,2],"note":"cold"}'; exec sleep 60`),
    ),
  );
  assertEquals(await peer.measure(CASE), { milliseconds: [3, 1, 2], note: "cold" });
  await peer.close();
});

Deno.test("ChildPeer.measure() refuses answers that are no times", async () => {
  for (const reply of ["{}", '{"milliseconds":[]}', '{"milliseconds":[-1]}', '{"out":"AAAA"}']) {
    const peer = present(
      await ChildPeer.find(program(`read line; echo '${reply}'; exec sleep 60`)),
    );
    await assertRejects(() => peer.measure(CASE), PeerError, "Cannot read peer");
    await peer.close();
  }
});

Deno.test("ChildPeer.measure() passes on what failed in the child, which is ended", async () => {
  const script = `read line; echo '{"error":"RuntimeError: no kernel"}'; exec sleep 60`;
  const peer = present(await ChildPeer.find(program(script)));
  const pid = peer.pid!;
  const reason = "Cannot measure peer as it failed: RuntimeError: no kernel";
  await assertRejects(() => peer.measure(CASE), PeerError, reason);
  assertEquals([peer.pid, isRunning(pid)], [undefined, false]);
});

Deno.test("ChildPeer.measure() stops a child that exceeds its time", async () => {
  const peer = present(await ChildPeer.find(program("exec sleep 60"), { extraMs: 100 }));
  const pid = peer.pid!;
  await assertRejects(() => peer.measure(CASE), PeerError, "took longer than 0.1 s");
  assertEquals(isRunning(pid), false);
});

Deno.test("ChildPeer.measure() starts a new child after an aborted case", async () => {
  const script = `read line; case "$line" in *'"seed":7'*) exec sleep 60;; esac
    echo '{"milliseconds":[1,1,1]}'; exec sleep 60`;
  const peer = present(await ChildPeer.find(program(script)));
  const first = peer.pid!;
  const stop = new AbortController();
  const aborted = peer.measure({ ...CASE, seed: 7 }, stop.signal);
  setTimeout(() => stop.abort(), 50);
  await assertRejects(() => aborted, DOMException);
  assertEquals(isRunning(first), false);
  assertEquals((await peer.measure(CASE)).milliseconds.length, 3);
  assertNotEquals(peer.pid, first);
  const second = peer.pid!;
  await peer.close();
  assertEquals(isRunning(second), false);
});

Deno.test("ChildPeer.accepts() refuses more than half of the free memory with both numbers", async () => {
  const { available } = Deno.systemMemoryInfo();
  const peer = present(
    await ChildPeer.find(
      program("exec sleep 60", { memoryBytes: ({ tokens }) => tokens * available / 10 }),
    ),
  );
  assertEquals(peer.accepts({ ...CASE, tokens: 1 }), undefined);
  const refused = peer.accepts({ ...CASE, tokens: 20 })!;
  assertStringIncludes(refused, `would need ${(2 * available / 1e9).toFixed(1)} GB`);
  await assertRejects(() => peer.measure({ ...CASE, tokens: 20 }), PeerError, "Cannot measure");
  await peer.close();
});
