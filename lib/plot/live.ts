import { Figure, type MediaBundle } from "./figure.ts";
import { follow, type RunView } from "./watch/follow.ts";
import { frame, uniqueId } from "./draw/frame.ts";
import { liveHtml } from "./watch/live_html.ts";
import { type LivePanel, livePanel, panelLine, terminalText } from "./watch/live_panel.ts";
import { LiveState } from "./watch/live_state.ts";
import { liveSvg } from "./watch/live_svg.ts";
import type {
  LiveFact,
  LiveGeneration,
  LiveOptions,
  LiveRun,
  LiveSource,
  LiveStep,
} from "./watch/live_types.ts";
import { openOutlet, type Outlet } from "./watch/outlet.ts";
import type { ProgressEvent } from "./progress.ts";
import { visibleBreaks } from "./draw/token_text.ts";

/** What {@link live} gives beside the run's result. */
export interface Watched {
  /** The last frame: attention and numbers of all generated tokens. */
  readonly figure: Figure;
}

/**
 * Follows a generation in one panel: the text, where the last token looked, the attention of the last 64 tokens by
 * position, what was retrieved, scanned and attended, the cache and the speed. In a notebook this is one display that
 * is updated at most eight times a second, in a terminal one line; where stdout is neither, nothing is shown. The last
 * frame is about all generated tokens and stays.
 *
 * Gives the run's result, with the last frame as `figure`; as the last expression of a cell it shows as a line of text.
 * Steps keep the attention rows that the view needs, unless the run was told itself what to capture. When the run fails
 * or is stopped, the panel says so, and the error comes through.
 */
export function live<Result extends LiveGeneration>(
  run: LiveRun<Result>,
  options: LiveOptions = {},
): Promise<Result & Watched> {
  return showLive(run, options, openOutlet());
}

/** {@link live} in an outlet of the caller's. */
export async function showLive<Result extends LiveGeneration>(
  run: LiveRun<Result>,
  options: LiveOptions,
  outlet: Outlet | null,
): Promise<Result & Watched> {
  const { layers = "all", heads = "all" } = options;
  run.capture ??= { layers, heads };
  const view = new LiveView(run.source, options);
  const result = await follow<LiveStep | ProgressEvent, Result>(run, view, outlet);
  return watched(result, view.figure());
}

/** The result with the figure beside it. What a console lists stays as it was. */
function watched<Result extends LiveGeneration>(result: Result, figure: Figure): Result & Watched {
  const { text, ids, reason, msPerToken } = result;
  const line = `${JSON.stringify(text)} (${reason}, ${ids.length} tokens, ` +
    `${msPerToken.toPrecision(2)} ms a token)`;
  const display = () => ({ "text/plain": line });
  const seen = { ...result, figure };
  return Object.defineProperties(seen, {
    figure: { enumerable: false },
    [Symbol.for("Jupyter.display")]: { value: display },
  });
}

const WIDTH = 640;

class LiveView implements RunView<LiveStep | ProgressEvent, LiveGeneration> {
  readonly #source: LiveSource;
  readonly #title: string;
  readonly #width: number;
  readonly #extras: () => readonly LiveFact[];
  readonly #state: LiveState;
  readonly #id = uniqueId();
  #figure: Figure | null = null;

  constructor(source: LiveSource, options: LiveOptions) {
    const { title = "Generation", width = WIDTH, extras = () => [] } = options;
    const { layers = "all", heads = "all" } = options;
    this.#source = source;
    this.#title = title;
    this.#width = width;
    this.#extras = extras;
    this.#state = new LiveState({ layers, heads });
  }

  see(event: LiveStep | ProgressEvent): void {
    this.#state.see(event);
  }

  done(result: LiveGeneration): void {
    this.#state.done(result);
    this.figure();
  }

  failed(error: unknown): void {
    this.#state.failed(error);
    this.figure();
  }

  /** The last frame; the session may go on or be closed after it. */
  figure(): Figure {
    return this.#figure ??= figureOf(this.#panel(), this.#width);
  }

  async bundle(): Promise<MediaBundle> {
    if (this.#figure) return await bundleOf(this.#figure);
    const panel = this.#panel();
    const html = await liveHtml(panel, this.#width);
    return { "text/plain": panelLine(panel), "text/html": frame({ svg: "", html }, this.#id) };
  }

  line(columns: number): string {
    return terminalText(this.#panel(), columns);
  }

  #panel(): LivePanel {
    return livePanel(this.#state, this.#source, this.#title, this.#extras());
  }
}

function figureOf(panel: LivePanel, own: number): Figure {
  const text = panel.text.generated.map((token) => token.text).join("");
  return new Figure({
    text: `${panelLine(panel)}\n${visibleBreaks(text)}`,
    draw: async ({ width = own }) => ({
      svg: await liveSvg(panel, width),
      html: await liveHtml(panel, width),
    }),
  });
}

async function bundleOf(figure: Figure): Promise<MediaBundle> {
  const shows = figure as unknown as Record<symbol, () => Promise<MediaBundle>>;
  return await shows[Symbol.for("Jupyter.display")]!();
}
