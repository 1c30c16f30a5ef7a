/** A hub with small models, and an environment that leads to it and to an empty cache. */
import { assert } from "@std/assert";
import { join } from "node:path";
import { Random } from "../random.ts";
import { fixture } from "./fixtures.ts";
import { HubServer, type Repository } from "./hub_server.ts";

/** What a test of the hub works with. */
export interface HubTest {
  /** The hub. */
  readonly hub: HubServer;
  /** The cache, empty at first. */
  readonly cache: string;
  /** A folder that is removed afterwards. */
  readonly folder: string;
}

/** Commit of the repositories. */
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

const VARIABLES = ["HF_HUB_CACHE", "HF_HOME", "HF_ENDPOINT", "HF_TOKEN", "HF_TOKEN_PATH"]
  .concat(["HF_HUB_OFFLINE", "HF_HUB_DISABLE_XET"]);

/** Runs with a hub that has the model `org/name`: a configuration that is supported, and weights that nobody reads. */
export async function withHub(
  run: (test: HubTest) => Promise<void>,
  variables: Record<string, string> = {},
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "longlens-hub-" });
  const before = VARIABLES.map((name) => [name, Deno.env.get(name)] as const);
  const hub = new HubServer();
  hub.repositories.set("org/name", await repository("llama", { "model.safetensors": WEIGHTS }));
  try {
    for (const name of VARIABLES) setEnv(name, undefined);
    const own = { HF_HOME: join(folder, "home"), HF_ENDPOINT: hub.url, ...variables };
    for (const [name, value] of Object.entries(own)) setEnv(name, value);
    await run({ hub, folder, cache: join(folder, "home/hub") });
  } finally {
    for (const [name, value] of before) setEnv(name, value);
    await hub.close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** 300 kB that look like weights to whoever does not read them. */
export const WEIGHTS: Uint8Array<ArrayBuffer> = makeBytes(300_000);

function makeBytes(count: number): Uint8Array<ArrayBuffer> {
  const random = new Random(1);
  return Uint8Array.from({ length: count }, () => random.integer(0, 255));
}

/** The weights of `snapshot` are those of the hub, bit for bit. */
export async function assertWeights(snapshot: string): Promise<void> {
  const found = await Deno.readFile(join(snapshot, "model.safetensors"));
  assert(WEIGHTS.length === found.length && WEIGHTS.every((byte, x) => byte === found[x]));
}

/** A repository with the files of a tiny checkpoint and a tokenizer, and with others. */
export async function repository(
  checkpoint: string,
  others: Record<string, Uint8Array<ArrayBuffer>> = {},
): Promise<Repository> {
  const files: Repository["files"] = {};
  for (const folder of [checkpoint, "tokenizer_bytes"]) {
    for await (const { name } of Deno.readDir(fixture(folder))) {
      files[name] = await Deno.readFile(join(fixture(folder), name));
    }
  }
  delete files["expected.safetensors"];
  Object.assign(files, others);
  const large = new Set(Object.keys(files).filter((name) => name.endsWith(".safetensors")));
  return { commit: COMMIT, files, large };
}

/** Text as bytes. */
export function text(content: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(content);
}

/** Files below `folder` and what they are: a link's target, or a size. */
export async function tree(folder: string): Promise<Record<string, string | number>> {
  const found: Record<string, string | number> = {};
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isSymlink) found[name] = await Deno.readLink(path);
    else if (!isDirectory) found[name] = (await Deno.stat(path)).size;
    else for (const [k, v] of Object.entries(await tree(path))) found[`${name}/${k}`] = v;
  }
  return found;
}

/** Sets a variable, or removes it. */
export function setEnv(name: string, value: string | undefined): void {
  if (value === undefined) Deno.env.delete(name);
  else Deno.env.set(name, value);
}
