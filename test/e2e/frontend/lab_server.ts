/** A JupyterLab of its own: private settings, the running Deno as its kernel, a port that was free, a token. */
import { jupyterEnv } from "../../notebooks/execute.ts";
import { writeKernelspec } from "../../notebooks/jupyter.ts";

const START_MS = 120_000;
const POLL_MS = 100;

/** Nothing that asks or fetches; all cells are in the document, seen or not. */
const SETTINGS = {
  "@jupyterlab/apputils-extension:notification": {
    fetchNews: "false",
    checkForUpdates: false,
    doNotDisturbMode: true,
  },
  "@jupyterlab/notebook-extension:tracker": { windowingMode: "none" },
};

/** A running JupyterLab. */
export class LabServer {
  readonly #child: Deno.ChildProcess;
  readonly #address: string;
  readonly #token: string;

  private constructor(child: Deno.ChildProcess, address: string, token: string) {
    this.#child = child;
    this.#address = address;
    this.#token = token;
  }

  /** Starts JupyterLab with a Python that has it. It serves `folder` and keeps what is its own in `home`. */
  static async start(python: string, folder: string, home: string): Promise<LabServer> {
    await writeKernelspec(home);
    const env = jupyterEnv(home);
    await writeSettings(`${env.JUPYTER_CONFIG_DIR}/labconfig`);
    const token = crypto.randomUUID();
    const port = freePort();
    const child = new Deno.Command(python, {
      args: serverArgs(folder, port, token),
      env,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const server = new LabServer(child, `http://127.0.0.1:${port}`, token);
    await server.#answer();
    return server;
  }

  /** Address of a notebook, by its path in the folder that is served. */
  url(path: string): string {
    return `${this.#address}/lab/tree/${path}?reset&token=${this.#token}`;
  }

  /** Whether an address belongs to this server. */
  owns(url: string): boolean {
    return url.startsWith(this.#address) || url.startsWith(this.#address.replace("http", "ws"));
  }

  /** Ends the server and its kernels. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.status;
  }

  async #answer(): Promise<void> {
    const end = performance.now() + START_MS;
    while (performance.now() < end) {
      if (await answers(`${this.#address}/api?token=${this.#token}`)) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    await this.stop();
    throw new Error(`Cannot start JupyterLab as it must answer within ${START_MS} ms`);
  }
}

function serverArgs(folder: string, port: number, token: string): string[] {
  const options = {
    "ServerApp.root_dir": folder,
    "ServerApp.ip": "127.0.0.1",
    "ServerApp.port": port,
    "ServerApp.port_retries": 0,
    "IdentityProvider.token": token,
    "ServerApp.open_browser": "False",
    "ServerApp.allow_root": "True",
    "LabApp.expose_app_in_browser": "True",
    "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    "LabApp.extension_manager": "readonly",
  };
  return [
    "-m",
    "jupyterlab",
    ...Object.entries(options).map(([key, value]) => `--${key}=${value}`),
  ];
}

async function writeSettings(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const path = `${folder}/default_setting_overrides.json`;
  await Deno.writeTextFile(path, JSON.stringify(SETTINGS));
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
