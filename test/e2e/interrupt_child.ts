/** Starts a long prefill and reports how it ended when interrupted; a test sends the SIGINT. */
import { Model } from "../../mod.ts";

const model = await Model.load();
const session = model.session({ chunkTokens: 64 });
const run = session.prefill(Int32Array.from({ length: 30_000 }, (_, x) => 2 + x % 2000));
let started = false;
try {
  for await (const _ of run) {
    if (!started) console.log("started");
    started = true;
  }
  console.log("finished");
} catch (error) {
  console.log((error as Error).name);
}
const kept = session.length;
await session.step();
console.log(kept % 64 === 0 && session.length === kept + 1 ? "usable" : `length ${session.length}`);
model.close();
