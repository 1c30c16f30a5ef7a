/**
 * Saves one session over and over to the path it is given, a token longer each time, until a test kills it; or until
 * saving fails, and then shows that the session is usable.
 */
import { openBackend } from "../../ffi/open.ts";
import type { Session } from "../../lib/engine/session.ts";
import { someIds, tiny, type TinyModel } from "./tiny_model.ts";

/** The session that is saved first; it goes on with greedy steps. */
export async function firstSession(model: TinyModel): Promise<Session> {
  const session = model.session();
  await session.prefill(someIds(600));
  return session;
}

async function saveForever(path: string, backend: "reference" | "cpu"): Promise<void> {
  const session = await firstSession(
    await tiny("llama", await openBackend({ backend, compute: "f32" })),
  );
  console.log("started");
  try {
    while (true) {
      await session.save(path);
      console.log(session.length);
      await session.step();
    }
  } catch (error) {
    console.log((error as Error).name);
    console.log((await session.step()).index);
  }
}

if (import.meta.main) await saveForever(...Deno.args as [string, "reference" | "cpu"]);
