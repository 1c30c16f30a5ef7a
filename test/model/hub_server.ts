/** A server that behaves as the Hugging Face hub does, with a second one that plays its CDN and its Xet storage. */
import { createHash } from "node:crypto";

/** A request that came. */
export interface Seen {
  /** Which server it came to. */
  readonly to: "hub" | "cdn";
  /** Path without the query. */
  readonly path: string;
  /** The query. */
  readonly query: URLSearchParams;
  /** Its headers. */
  readonly headers: Headers;
}

/** A commit of a repository, with files by name; those of `large` are served by the CDN. */
export interface Repository {
  /** Commit that revisions mean. */
  commit: string;
  /** Contents. */
  files: Record<string, Uint8Array<ArrayBuffer>>;
  /** Files whose checksum is their SHA-256. */
  large: ReadonlySet<string>;
  /** Whether large files are in Xet storage, too. */
  xet?: boolean;
}

/** Answers instead of the server, or returns nothing. */
export type Intercept = (seen: Seen, answer: () => Response) => Response | undefined;

/** A running hub. */
export class HubServer {
  /** Repositories by `org/name`. */
  readonly repositories = new Map<string, Repository>();
  /** What came, in order. */
  readonly seen: Seen[] = [];
  /** Revisions other than `main` that repositories have. */
  readonly revisions = new Set(["main"]);
  /** May answer in the server's place. */
  intercept: Intercept = () => undefined;
  /** Bytes of the large files, as the CDN and the Xet storage have them, by checksum. */
  readonly #stored = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #hub = serve((request) => this.#receive("hub", request));
  readonly #cdn = serve((request) => this.#receive("cdn", request));

  /** Address of the hub. */
  get url(): string {
    return `http://127.0.0.1:${this.#hub.addr.port}`;
  }

  /** Address of the CDN: another origin. */
  get cdn(): string {
    return `http://127.0.0.1:${this.#cdn.addr.port}`;
  }

  /** Paths that were asked for, of one server or of both. */
  paths(to?: "hub" | "cdn"): string[] {
    return this.seen.filter((one) => !to || one.to === to).map(({ path }) => path);
  }

  /** How often bytes of a file were asked for at the hub. */
  fetched(name: string): number {
    return this.paths("hub").filter((path) => path.endsWith(`/${name}`)).length;
  }

  /** Ends both servers. */
  async close(): Promise<void> {
    await Promise.all([this.#hub.shutdown(), this.#cdn.shutdown()]);
  }

  #receive(to: "hub" | "cdn", request: Request): Response {
    const { pathname: path, searchParams: query } = new URL(request.url);
    const seen = { to, path, query, headers: request.headers };
    this.seen.push(seen);
    const answer = () => to === "hub" ? this.#asHub(seen) : this.#asCdn(seen);
    return this.intercept(seen, answer) ?? answer();
  }

  #asHub(seen: Seen): Response {
    const match = seen.path.match(
      /^\/(?:api\/models\/)?([\w.-]+\/[\w.-]+)\/(revision|tree|resolve|xet-read-token)\/([^/]+)(?:\/(.*))?$/,
    );
    const [, name = "", verb, revision = "", file = ""] = match ?? [];
    const repository = this.repositories.get(name);
    if (!repository) return refuse(401, "RepoNotFound");
    const known = [repository.commit, ...this.revisions];
    if (!known.includes(decodeURIComponent(revision))) return refuse(404, "RevisionNotFound");
    if (verb === "revision") return Response.json({ id: name, sha: repository.commit });
    if (verb === "tree") return Response.json(entries(repository, seen.query));
    if (verb === "xet-read-token") {
      return Response.json({ accessToken: "xet", casUrl: this.cdn, exp: Date.now() / 1000 + 3600 });
    }
    return this.#resolve(repository, name, file, seen.headers);
  }

  #resolve(repository: Repository, name: string, file: string, asked: Headers): Response {
    const bytes = repository.files[file];
    if (!bytes) return refuse(404, "EntryNotFound");
    const etag = checksum(repository, file);
    const headers = { "x-repo-commit": repository.commit, etag: `"${etag}"` };
    if (!repository.large.has(file)) return ranged(bytes, asked, headers);
    this.#stored.set(etag, bytes);
    const linked = { ...headers, "x-linked-etag": `"${etag}"`, "x-linked-size": `${bytes.length}` };
    if (repository.xet && asked.get("accept")?.includes("xet-fileinfo")) {
      return Response.json({}, { headers: { ...linked, ...this.#xetHeaders(name, etag) } });
    }
    const location = `${this.cdn}/${etag}?X-Signature=secret`;
    return new Response(null, { status: 302, headers: { ...linked, location } });
  }

  #xetHeaders(name: string, etag: string): Record<string, string> {
    return {
      "content-type": "application/vnd.xet-fileinfo+json",
      "x-xet-hash": etag,
      link: `<${this.url}/api/models/${name}/xet-read-token/main>; rel="xet-auth", ` +
        `<${this.cdn}/v1/reconstructions/${etag}>; rel="xet-reconstruction-info"`,
    };
  }

  #asCdn({ path, headers }: Seen): Response {
    const [, etag = ""] = path.match(/([0-9a-f]{64})$/) ?? [];
    const bytes = this.#stored.get(etag);
    if (!bytes) return new Response(null, { status: 403 });
    if (path.startsWith("/v2/reconstructions/")) {
      return Response.json(reconstruction(bytes, etag, this.cdn, headers));
    }
    return ranged(path.startsWith("/xorb/") ? xorb(bytes) : bytes, headers, {});
  }
}

/** An answer that breaks off after `count` bytes, once `arrived` says that the file has all up to there. */
export function broken(
  bytes: Uint8Array,
  count: number,
  response: Response,
  arrived: (end: number) => Promise<void>,
): Response {
  const start = Number(response.headers.get("content-range")?.match(/(\d+)-/)?.[1] ?? 0);
  const stream = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(bytes.slice(start, start + count));
      await arrived(start + count);
      controller.error(new Error("broken off"));
    },
  });
  return new Response(stream, { status: response.status, headers: response.headers });
}

/** The checksum by which a hub names a file. */
export function checksum({ files, large }: Repository, name: string): string {
  const bytes = files[name]!;
  if (large.has(name)) return createHash("sha256").update(bytes).digest("hex");
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

function entries(repository: Repository, query: URLSearchParams) {
  const isListed = (path: string) => query.get("recursive") === "true" || !path.includes("/");
  const listed = Object.entries(repository.files).filter(([path]) => isListed(path));
  return listed.map(([path, { length: size }]) => {
    const oid = checksum(repository, path);
    if (!repository.large.has(path)) return { type: "file", path, size, oid };
    const xet = repository.xet ? { xetHash: oid } : {};
    return {
      type: "file",
      path,
      size,
      oid: "0".repeat(40),
      lfs: { oid, size, pointerSize: 130 },
      ...xet,
    };
  });
}

function serve(handler: (request: Request) => Response): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, onError: fail }, handler);
}

function fail(error: unknown): Response {
  return new Response(String(error), { status: 500 });
}

/** A refusal as the hub words it. */
export function refuse(status: number, code: string): Response {
  return new Response(null, { status, headers: { "x-error-code": code } });
}

function ranged(
  bytes: Uint8Array<ArrayBuffer>,
  asked: Headers,
  headers: Record<string, string>,
): Response {
  const match = asked.get("range")?.match(/^bytes=(\d+)-(\d*)$/);
  if (!match) return new Response(bytes, { headers });
  const first = Number(match[1]);
  const end = match[2] ? Number(match[2]) + 1 : bytes.length;
  const range = `bytes ${first}-${end - 1}/${bytes.length}`;
  return new Response(bytes.slice(first, end), {
    status: 206,
    headers: { ...headers, "content-range": range },
  });
}

const CHUNK_BYTES = 65_536;
const CHUNK_HEADER_BYTES = 8;

/** Chunks as Xet stores them, not compressed: version, 3 bytes of length, scheme 0, 3 bytes of length, data. */
function xorb(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
    const data = bytes.subarray(start, start + CHUNK_BYTES);
    const length = [data.length & 255, (data.length >> 8) & 255, data.length >> 16];
    parts.push(Uint8Array.of(0, ...length, 0, ...length), data);
  }
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

function reconstruction(bytes: Uint8Array, hash: string, cdn: string, headers: Headers) {
  const [, from, to] = headers.get("range")!.match(/^bytes=(\d+)-(\d+)$/)!.map(Number);
  const chunks = { start: Math.floor(from! / CHUNK_BYTES), end: Math.floor(to! / CHUNK_BYTES) + 1 };
  const step = CHUNK_BYTES + CHUNK_HEADER_BYTES;
  const stored = bytes.length + CHUNK_HEADER_BYTES * Math.ceil(bytes.length / CHUNK_BYTES);
  const last = Math.min(chunks.end * step, stored) - 1;
  const unpacked = Math.min(chunks.end * CHUNK_BYTES, bytes.length) - chunks.start * CHUNK_BYTES;
  return {
    offset_into_first_range: from! - chunks.start * CHUNK_BYTES,
    terms: [{ hash, unpacked_length: unpacked, range: chunks }],
    xorbs: {
      [hash]: [{
        url: `${cdn}/xorb/${hash}`,
        ranges: [{ chunks, bytes: { start: chunks.start * step, end: last } }],
      }],
    },
  };
}
