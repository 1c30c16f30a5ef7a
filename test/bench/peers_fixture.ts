/** Children that behave as a test wants, and what was left of them. */
import type { PeerCase } from "../../lib/bench/peer.ts";
import type { ChildPeer, PeerProgram } from "../../lib/bench/peers/child_peer.ts";
import type { ChildCommand } from "../../lib/bench/peers/peer_child.ts";

/** A small case. */
export const CASE: PeerCase = {
  kind: "prefill",
  tokens: 8,
  heads: 2,
  kvHeads: 1,
  dim: 4,
  dtype: "f32",
  threads: 1,
  seconds: 0,
  seed: 1,
};

/** A child that runs lines of a shell. */
export function shell(script: string): ChildCommand {
  return { program: "sh", args: ["-c", script] };
}

/** A program whose child runs lines of a shell after it said hello. */
export function program(script: string, more: Partial<PeerProgram> = {}): PeerProgram {
  return {
    name: "peer",
    command: () => shell(`echo '{"version":"1.2"}'\n${script}`),
    refuses: () => undefined,
    memoryBytes: () => 0,
    ...more,
  };
}

/** What was found, which must be there. */
export function present(found: ChildPeer | { readonly missing: string }): ChildPeer {
  if ("missing" in found) throw new Error(`The peer is missing: ${found.missing}`);
  return found;
}

/** Whether a process is there. */
export function isRunning(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
