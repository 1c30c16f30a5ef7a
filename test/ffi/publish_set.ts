/** Serves what `deno publish` would send to JSR, as JSR serves it. */
import { fromRoot, ROOT } from "./child.ts";

/** A running server of the published files. */
export interface PublishServer {
  /** URL of the package's root, which ends in a slash. */
  readonly url: string;
  /** Files that were asked for and are not published. */
  readonly missing: readonly string[];
  /** Ends it. */
  close(): Promise<void>;
}

let files: Promise<string[]> | null = null;

/** Paths of the published files, relative to the root of the checkout. */
export function publishedFiles(): Promise<string[]> {
  return files ??= dryRun();
}

async function dryRun(): Promise<string[]> {
  const args = ["publish", "--dry-run", "--allow-dirty", "--no-check"];
  const command = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  });
  const { success, stdout, stderr } = await command.output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (!success) throw new Error(`deno ${args.join(" ")} failed:\n${text}`);
  const urls = [...text.matchAll(/^\s*(file:\S+) \(/gm)].map(([, url]) => url!);
  return urls.map((url) => url.slice(ROOT.href.length));
}

/** Serves the published files and nothing else. */
export async function servePublished(): Promise<PublishServer> {
  const files = new Set(await publishedFiles());
  const { imports } = JSON.parse(await Deno.readTextFile(fromRoot("deno.json")));
  const missing: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const path = decodeURI(new URL(request.url).pathname).slice(1);
    if (files.has(path)) return await respond(path, imports);
    missing.push(path);
    return new Response("not published", { status: 404 });
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  return { url, missing, close: () => server.shutdown() };
}

async function respond(path: string, imports: Record<string, string>): Promise<Response> {
  if (!path.endsWith(".ts")) return new Response(await Deno.readFile(fromRoot(path)));
  const text = resolveBare(await Deno.readTextFile(fromRoot(path)), imports);
  return new Response(text, { headers: { "content-type": "text/typescript" } });
}

/** Writes the targets of `deno.json`'s import map into import specifiers, as JSR does when a version is published. */
export function resolveBare(text: string, imports: Record<string, string>): string {
  return text.replaceAll(
    /(\bfrom |\bimport |\bimport\()"([^"./][^"]*)"/g,
    (whole, before, name) => {
      for (const [key, target] of Object.entries(imports)) {
        if (name === key || name.startsWith(`${key}/`)) {
          return `${before}"${target}${name.slice(key.length)}"`;
        }
      }
      return whole;
    },
  );
}
