/** `fetch` for a hub: the token goes to the hub's own address and to no other, wherever redirects lead. */
import { granted } from "../../../ffi/permissions.ts";
import { type Asked, downloadError, explained, statusError } from "./errors.ts";
import { transfer, type TransferOptions } from "./transfer.ts";

const MAX_HOPS = 10;

/**
 * A `fetch` that follows redirects itself. Answers of the hub that are no success are thrown and explained; those of
 * other servers are returned, as the library knows what to do about an address that has expired.
 */
export function hubFetch(asked: Asked, options: TransferOptions): typeof fetch {
  return async (input, init = {}) => {
    try {
      return await follow(
        new URL(input instanceof Request ? input.url : input),
        init,
        asked,
        options,
      );
    } catch (error) {
      throw explained(error, asked, options.signal);
    }
  };
}

async function follow(
  first: URL,
  init: RequestInit,
  asked: Asked,
  options: TransferOptions,
): Promise<Response> {
  const home = new URL(asked.settings.endpoint).origin;
  let url = first;
  for (let hop = 0; hop <= MAX_HOPS; hop++) {
    assertReachable(url, asked);
    const headers = headersFor(url, init, url.origin === first.origin, asked);
    const response = await transfer(url, { ...init, headers }, options);
    const target = redirection(response);
    if (target === null && (response.ok || url.origin !== home)) return response;
    await response.body?.cancel();
    if (target === null) throw statusError(response, url, asked);
    url = new URL(target, url);
  }
  throw downloadError("failed", asked, `there must be at most ${MAX_HOPS} redirects`, "more");
}

/** A server may redirect to anything; Deno would also fetch `file:` and `data:`. */
function assertReachable(url: URL, asked: Asked): void {
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw downloadError("failed", asked, "redirects must lead to http(s) addresses", url.protocol);
  }
  const host = `${url.hostname}:${url.port || (url.protocol === "https:" ? 443 : 80)}`;
  if (granted({ name: "net", host })) return;
  const rule = `reading from ${url.hostname} must be allowed`;
  throw downloadError("permission", asked, rule, `no --allow-net=${url.host}`);
}

function headersFor(url: URL, init: RequestInit, sameOrigin: boolean, asked: Asked): Headers {
  const { endpoint, token } = asked.settings;
  const headers = new Headers(init.headers);
  if (!sameOrigin) headers.delete("authorization");
  if (token && url.origin === new URL(endpoint).origin && !headers.has("authorization")) {
    headers.set("authorization", `Bearer ${token.value}`);
  }
  return headers;
}

function redirection({ status, headers }: Response): string | null {
  return status >= 300 && status < 400 ? headers.get("location") : null;
}
