/** Showing a run while it runs. */
import { Frames } from "./frames.ts";
import type { Outlet, View } from "./outlet.ts";

/** Work that has started: its events as they come, and its result. */
export interface Followed<Event, Result> extends AsyncIterable<Event>, PromiseLike<Result> {}

/** What became of a run. */
export type RunState = "running" | "done" | "stopped" | "failed";

/** A view of a run. */
export interface RunView<Event, Result> extends View {
  /** Takes an event in. */
  see(event: Event): void;
  /** Takes the result in. */
  done(result: Result): void;
  /** Takes in why there is no result. */
  failed(error: unknown): void;
}

/** Shows a run in an outlet until it ends, and gives its result; its error comes through after the last frame. */
export async function follow<Event, Result>(
  run: Followed<Event, Result>,
  view: RunView<Event, Result>,
  outlet: Outlet | null,
): Promise<Result> {
  const frames = new Frames(() => outlet?.show(view) ?? Promise.resolve());
  const failed = async (error: unknown) => {
    view.failed(error);
    await ended(frames, view, outlet);
  };
  try {
    frames.changed();
    for await (const event of run) {
      view.see(event);
      frames.changed();
    }
    view.done(await run);
  } catch (error) {
    // The run's error is the news, whatever becomes of the display.
    await failed(error).catch(() => {});
    throw error;
  }
  await ended(frames, view, outlet);
  return await run;
}

/** Whether an error says that a run was stopped, or that it failed. */
export function stateAfter(error: unknown): "stopped" | "failed" {
  return error instanceof Error && error.name === "CancelledError" ? "stopped" : "failed";
}

async function ended(frames: Frames, view: View, outlet: Outlet | null): Promise<void> {
  try {
    await frames.finish();
  } finally {
    // A frame that could not be shown does not cost the last one.
    await outlet?.finish(view);
  }
}
