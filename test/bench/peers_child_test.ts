import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { PeerChild } from "../../lib/bench/peers/peer_child.ts";
import { PeerError } from "../../lib/bench/peers/peer_error.ts";
import { isRunning, shell } from "./peers_fixture.ts";

const LONG = { timeoutMs: 20_000 };
const ECHO = 'while read -r line; do printf "%s\\n" "$line"; done';

/** Fails in one way, and checks that nothing is left. */
async function failure(script: string, timeoutMs = LONG.timeoutMs): Promise<string> {
  const child = new PeerChild("peer", shell(script));
  const error = await assertRejects(() => child.ask({}, { timeoutMs }), PeerError);
  assertEquals(isRunning(child.pid), false);
  return error.message;
}

Deno.test("PeerChild answers requests in order", async () => {
  const child = new PeerChild("peer", shell(ECHO));
  assertEquals(await child.ask({ a: 1 }, LONG), { a: 1 });
  assertEquals(await child.ask({ text: "a\nb é" }, LONG), { text: "a\nb é" });
  await child.close();
});

Deno.test("PeerChild.hello() is the first line", async () => {
  const child = new PeerChild("peer", shell(`echo '{"version":"3"}'; ${ECHO}`));
  assertEquals(await child.hello(LONG), { version: "3" });
  assertEquals(await child.ask([2], LONG), [2]);
  await child.close();
});

Deno.test("PeerChild takes variables of the command", async () => {
  const command = { ...shell('echo "[\\"$PEER_TEST\\"]"'), env: { PEER_TEST: "given" } };
  const child = new PeerChild("peer", command);
  assertEquals(await child.hello(LONG), ["given"]);
  await child.close();
});

Deno.test("PeerChild.close() leaves no process, even twice and where it ended by itself", async () => {
  for (const script of ["exec sleep 60", "exit 3"]) {
    const child = new PeerChild("peer", shell(script));
    await child.close();
    await child.close();
    assertEquals(isRunning(child.pid), false);
  }
});

Deno.test("PeerChild.close() does not wait for processes that hold the child's pipes", async () => {
  const child = new PeerChild("peer", shell('sleep 60 & echo "[$!]"; wait'));
  const [holder] = await child.hello(LONG) as [number];
  await child.close();
  assertEquals([isRunning(child.pid), isRunning(holder)], [false, true]);
  Deno.kill(holder, "SIGKILL");
});

Deno.test("PeerChild.ask() tells how a child died, and its last words", async () => {
  const message = await failure("read line; echo one >&2; echo last words >&2; exit 7");
  assertStringIncludes(message, "peer ended with status 7");
  assertStringIncludes(message, "last words");
  assertStringIncludes(await failure("read line; kill -9 $$"), "peer ended by SIGKILL");
});

Deno.test("PeerChild.ask() refuses garbage and shows its start", async () => {
  const message = await failure("read line; echo Loading model...; exec sleep 60");
  assertEquals(message, "Cannot read peer as it answered no JSON object: Loading model...");
  assertStringIncludes(await failure("read line; echo 5; exec sleep 60"), "no JSON object: 5");
  const long = await failure("read line; printf %0999d 0 | tr 0 x; echo; exec sleep 60");
  assertEquals(long.length < 300, true, long);
});

Deno.test("PeerChild.ask() kills a child that exceeds its time", async () => {
  const message = await failure("read line; exec sleep 60", 100);
  assertEquals(message, "Cannot measure peer as it took longer than 0.1 s");
});

Deno.test("PeerChild.ask() kills the child and throws the reason when its signal aborts", async () => {
  const child = new PeerChild("peer", shell("echo '{}'; read line; exec sleep 60"));
  await child.hello(LONG);
  const stop = new AbortController();
  const answer = child.ask({}, { ...LONG, signal: stop.signal });
  setTimeout(() => stop.abort(new RangeError("stopped by the test")), 50);
  await assertRejects(() => answer, RangeError, "stopped by the test");
  assertEquals(isRunning(child.pid), false);
});

Deno.test("PeerChild.ask() starts nothing once its signal has aborted", async () => {
  const child = new PeerChild("peer", shell(ECHO));
  const signal = AbortSignal.abort(new RangeError("before"));
  await assertRejects(() => child.ask({}, { ...LONG, signal }), RangeError, "before");
  assertEquals(await child.ask([1], LONG), [1], "the child was not touched");
  await child.close();
});

Deno.test("PeerChild throws NotFound where there is no such program", () => {
  const command = { program: "/nowhere/python3", args: [] };
  assertThrows(() => new PeerChild("peer", command), Deno.errors.NotFound);
});
