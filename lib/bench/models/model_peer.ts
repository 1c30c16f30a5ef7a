/** Another program that runs whole models, in a process of its own. */
import { type ChildCommand, PeerChild } from "../peers/peer_child.ts";
import { PeerError } from "../peers/peer_error.ts";
import { llamaCommand } from "../peers/llama_folder.ts";
import type { Hello } from "../peers/protocol.ts";
import type {
  DecodeRequest,
  ModelReply,
  ModelRequest,
  OpenRequest,
  ReadRequest,
} from "./model_protocol.ts";

/** What it took, and how far its choices are from ours. */
export interface PeerTimes {
  /** Milliseconds in all. */
  readonly ms: number;
  /** For each choice of ours, how far its logit is below the likeliest token's: 0 where that is the same. */
  readonly gaps: readonly number[];
}

/** Limits of an answer. */
export interface PeerPatience {
  /** After so long the program is ended. */
  readonly timeoutMs: number;
  /** Ends it, too. */
  readonly signal: AbortSignal;
}

/** A program that was found. */
export interface ModelPeer {
  /** Its name. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
  /** Loads a model in place of the one before. */
  open(request: OpenRequest, patience: PeerPatience): Promise<void>;
  /** Reads a text in place of the one before. */
  read(request: ReadRequest, patience: PeerPatience): Promise<PeerTimes>;
  /** Passes tokens through the model behind the text. */
  decode(request: DecodeRequest, patience: PeerPatience): Promise<PeerTimes>;
  /** Ends its process. */
  close(): Promise<void>;
}

/** Looks for such a program. */
export interface ModelPeerFinder {
  /** Its name. */
  readonly name: string;
  /** The program, or why it is not there. */
  find(): Promise<ModelPeer | { readonly missing: string }>;
}

const START_MS = 60_000;

/** llama.cpp. */
export const LLAMA_MODELS: ModelPeerFinder = {
  name: "llama.cpp",
  find: () =>
    ModelChild.find("llama.cpp", llamaCommand(import.meta.resolve("./llama_model_child.ts"))),
};

/** A program in a child process. One that was ended is started again when a model is opened. */
export class ModelChild implements ModelPeer {
  /** Its name. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
  readonly #command: ChildCommand;
  #child: PeerChild | null;

  private constructor(name: string, version: string, command: ChildCommand, child: PeerChild) {
    this.name = name;
    this.version = version;
    this.#command = command;
    this.#child = child;
  }

  /** Starts it and asks what it is. */
  static async find(
    name: string,
    command: ChildCommand,
  ): Promise<ModelChild | { readonly missing: string }> {
    try {
      const { child, version } = await start(name, command, { timeoutMs: START_MS });
      return new ModelChild(name, version, command, child);
    } catch (error) {
      if (error instanceof PeerError) return { missing: error.message };
      throw error;
    }
  }

  /** Process number of its child; undefined while none runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Loads a model in place of the one before. */
  async open(open: OpenRequest, patience: PeerPatience): Promise<void> {
    const { signal } = patience;
    const limits = { timeoutMs: START_MS, signal };
    this.#child ??= (await start(this.name, this.#command, limits)).child;
    await this.#ask({ open }, patience);
  }

  /** Reads a text in place of the one before. */
  async read(read: ReadRequest, patience: PeerPatience): Promise<PeerTimes> {
    return this.#times(await this.#ask({ read }, patience));
  }

  /** Passes tokens through the model behind the text. */
  async decode(decode: DecodeRequest, patience: PeerPatience): Promise<PeerTimes> {
    return this.#times(await this.#ask({ decode }, patience));
  }

  /** Ends its process. */
  async close(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    await child?.close();
  }

  async #ask(request: ModelRequest, patience: PeerPatience): Promise<ModelReply> {
    try {
      if (this.#child === null) throw new PeerError(`${this.name} has no model open`);
      const reply = await this.#child.ask(request, patience) as ModelReply;
      if (reply.error === undefined) return reply;
      throw new PeerError(`Cannot measure ${this.name} as it failed: ${reply.error}`);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  #times({ ms, gaps }: ModelReply): PeerTimes {
    const isRight = ms! >= 0 && Array.isArray(gaps) && gaps.every((gap) => gap >= 0);
    if (isRight) return { ms: ms!, gaps };
    throw new PeerError(`Cannot read ${this.name} as it answered no times: ${ms}, ${gaps}`);
  }
}

async function start(
  name: string,
  command: ChildCommand,
  limits: { timeoutMs: number; signal?: AbortSignal },
): Promise<{ child: PeerChild; version: string }> {
  const child = new PeerChild(name, command);
  const hello = await child.hello(limits) as Hello;
  if ("version" in hello) return { child, version: hello.version };
  await child.close();
  throw new PeerError(hello.missing);
}
