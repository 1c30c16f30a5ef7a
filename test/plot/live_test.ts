import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { CancelledError } from "../../ffi/errors.ts";
import { textColumns } from "../../lib/plot/draw/columns.ts";
import { showLive } from "../../lib/plot/live.ts";
import type { LiveOptions } from "../../lib/plot/watch/live_types.ts";
import { terminalOutlet } from "../../lib/plot/watch/outlet.ts";
import { plot } from "../../lib/plot/plot.ts";
import { TerminalLine } from "../../lib/plot/watch/terminal_line.ts";
import {
  FakeJupyter,
  fakeProgress,
  fakeRun,
  fakeStep,
  FakeTerminal,
  GENERATION,
  pause,
  until,
} from "./fake_run.ts";
import { mostASecond } from "./most_a_second.ts";
import { assertGolden } from "./golden.ts";
import { assertInert, parsed } from "./inert.ts";
import { ASKED, FACT_AT, FIRST, scriptedSteps, TOKENS } from "./live_script.ts";
import { readPng } from "./read_png.ts";
import { XSS_TOKENS } from "./xss_corpus.ts";

/** The scripted generation, all at once. */
function scripted() {
  return fakeRun(TOKENS, (emit) => {
    emit(fakeProgress(ASKED, ASKED));
    scriptedSteps().forEach(emit);
  });
}

/** The scripted generation and what a notebook shows in the end. */
async function watchScripted(options: LiveOptions = {}) {
  const jupyter = new FakeJupyter();
  const watched = await showLive(scripted(), options, jupyter.outlet());
  return { jupyter, watched, page: parsed(jupyter.last["text/html"]!) };
}

function texts(root: ReturnType<typeof parsed>, selector: string): string[] {
  return [...root.querySelectorAll(selector)].map((element) => element.textContent!);
}

/** A generation of many steps, one a millisecond; it ends with the last one. */
function longRun(steps: number) {
  const tokens = Array.from({ length: 300 + steps }, (_, i) => ` w${i}`);
  return fakeRun(tokens, async (emit) => {
    for (let i = 0; i < steps; i++) {
      await pause(1);
      emit(fakeStep({ index: 300 + i, rows: { "0,0": new Float64Array(300 + i).fill(1e-3) } }));
    }
  });
}

Deno.test("live() shows the scripted generation as it was looked at", async () => {
  const { watched } = await watchScripted({ title: "Pass key" });
  await assertGolden("live.html", await watched.figure.html("ll-golden"));
  await assertGolden("live.svg", await watched.figure.svg());
});

Deno.test("live() is one display that is shown once and then updated", async () => {
  const jupyter = new FakeJupyter();
  const run = fakeRun(TOKENS, async (emit) => {
    for (const [i, step] of scriptedSteps().slice(0, 3).entries()) {
      emit(step);
      await until(() => jupyter.shown.length > i);
    }
  });
  await showLive(run, {}, jupyter.outlet());
  const { shown } = jupyter;
  assertEquals(shown.length, 4);
  assertEquals(new Set(shown.map(({ id }) => id)).size, 1);
  assertEquals(shown.map(({ update }) => update), shown.map((_, i) => i > 0));
});

Deno.test("live() updates at most eight times a second and ends with the last state", async () => {
  const jupyter = new FakeJupyter();
  const { figure } = await showLive(longRun(700), {}, jupyter.outlet());
  const { shown } = jupyter;
  assertLessOrEqual(mostASecond(shown.map(({ at }) => at)), 8);
  assertStringIncludes(jupyter.last["text/plain"]!, "700 tokens");
  assertEquals(jupyter.last["text/plain"], figure.text);
  assertEquals(jupyter.last["image/svg+xml"], await figure.svg());
  const tokens = shown.map(({ bundle }) => bundle["text/plain"]!.match(/(\d+) tokens/)?.[1]);
  assertEquals(new Set(tokens).size, tokens.length);
});

Deno.test("live() waits until the last frame has left the kernel", async () => {
  const { jupyter } = await watchScripted();
  assertGreater(performance.now() - jupyter.shown.at(-1)!.at, 90);
});

Deno.test("live() asks for the rows it shows before the first step", async () => {
  const run = scripted();
  const watched = showLive(run, {}, null);
  assertEquals(run.capture, { layers: "all", heads: "all" });
  await watched;
  const some = scripted();
  await showLive(some, { layers: [1], heads: [0] }, null);
  assertEquals(some.capture, { layers: [1], heads: [0] });
});

Deno.test("live() leaves the capture that the caller asked for", async () => {
  const run = fakeRun(TOKENS, (emit) => scriptedSteps().forEach(emit), {
    capture: { layers: [0] },
  });
  await showLive(run, {}, null);
  assertEquals(run.capture, { layers: [0] });
});

Deno.test("live() shades by the mean over heads and steps, without token 0", async () => {
  const { page } = await watchScripted();
  const steps = scriptedSteps();
  const mean = (position: number) =>
    steps.flatMap((step) =>
      step.captured.map(({ layer, head }) => step.attention(layer, head)[position] ?? 0)
    ).reduce((sum, weight) => sum + weight, 0) / (4 * steps.length);
  const shown = [...page.querySelectorAll("bdi[title]")].map((token) => {
    const [index, percent] = token.getAttribute("title")!.split(": ");
    const opacity = Number(
      token.getAttribute("style")?.match(/rgba\(213,94,0,([\d.]+)\)/)?.[1] ?? 0,
    );
    return { index: Number(index), percent: parseFloat(percent!.replace("< ", "")), opacity };
  });
  assertGreater(shown.length, 20);
  const most = Math.max(...Array.from({ length: FIRST + 7 }, (_, i) => i === 0 ? 0 : mean(i)));
  for (const { index, percent, opacity } of shown) {
    assertAlmostEquals(percent / 100, mean(index), 6e-3);
    assertAlmostEquals(opacity, Math.sqrt(mean(index) / most), 1 / 23);
  }
  assert(shown.every(({ index }) => index !== 0));
  const notes = texts(page, ".ll-name")[0]!;
  assertStringIncludes(notes, "mean of 4 heads, layers 0 to 1");
  assertStringIncludes(notes, "without token 0 (25 %)");
});

Deno.test("live() shows the chosen layers and heads only", async () => {
  const { page } = await watchScripted({ layers: [1], heads: [0] });
  assertStringIncludes(
    texts(page, ".ll-name")[0]!,
    "mean of 1 head, layer 1 \u00b7 without token 0 (0 %)",
  );
});

Deno.test("live() shows the question, the answer, and the places that were looked at", async () => {
  const { page } = await watchScripted();
  assertEquals(
    texts(page, ".ll-text bdi").join(""),
    "Question: What is the pass key?\u21b5\nAnswer: It is 714.\u21b5\n",
  );
  const [place] = texts(page, ".ll-place");
  assertStringIncludes(place!, " The pass key is 714.");
  assertEquals(
    texts(page, ".ll-places > .ll-dim")[0],
    `${FACT_AT + 7 - 12}\u2013${FACT_AT + 7 + 12}`,
  );
});

Deno.test("live() is about the last token on the way and about all in the end", async () => {
  const jupyter = new FakeJupyter();
  const run = fakeRun(TOKENS, async (emit) => {
    const [first, ...rest] = scriptedSteps();
    emit(first!);
    await until(() =>
      jupyter.shown.some(({ bundle }) => bundle["text/plain"]!.includes("1 token"))
    );
    rest.forEach(emit);
  });
  await showLive(run, {}, jupyter.outlet());
  const scopes = jupyter.shown.map(({ bundle }) =>
    texts(parsed(bundle["text/html"]!), ".ll-name")[0]
  );
  assertStringIncludes(scopes.at(-2)!, "Attention of the last token");
  assertStringIncludes(scopes.at(-1)!, "Attention of all 7 tokens");
});

Deno.test("live() counts what was scanned, attended and retrieved", async () => {
  const { page, jupyter } = await watchScripted();
  const facts = texts(page, ".ll-facts > .ll-dim");
  const keys = scriptedSteps().reduce((sum, { index }) => sum + index, 0);
  const pairs = (count: number, of: number) =>
    `${count.toLocaleString("en-US")} of ${of.toLocaleString("en-US")} query-key pairs`;
  assertEquals(facts, [
    pairs(3 * 4 * 7, 4 * keys),
    pairs(keys, 4 * keys),
    pairs(2 * keys, 4 * keys),
    `4.00 MB for ${TOKENS.length} tokens, 1.00 MB of it needed at hand`,
  ]);
  assertStringIncludes(jupyter.last["text/plain"]!, "7 tokens, 250 tokens/s, retrieval");
});

Deno.test("live() draws the attention of each step by position", async () => {
  const { page } = await watchScripted();
  const [strip, rug] = [...page.querySelectorAll("image")].map((image) =>
    readPng(image.getAttribute("href")!)
  );
  const steps = scriptedSteps();
  // 199 tokens and their headroom fit 256 bins of 2 tokens.
  const bins = Math.ceil((TOKENS.length - 1) / 2);
  assertEquals([strip!.width, strip!.height], [bins, steps.length]);
  steps.forEach((step, y) => {
    const row = strip!.pixels.subarray(y * bins, (y + 1) * bins);
    const most = row.indexOf(Math.max(...row.filter((level) => level < 255)));
    assertEquals(most, Math.floor((step.index - 1) / 2), `row ${y}`);
    assertGreater(row[Math.floor((FACT_AT + Math.min(y + 2, 7)) / 2)]!, 0);
    assertEquals(row[60], 0);
  });
  assertEquals([rug!.width, rug!.height], [bins, 1]);
  const retrieved = [...rug!.pixels].flatMap((level, bin) => level > 0 && level < 255 ? [bin] : []);
  const expected = steps.flatMap((_, i) => [FACT_AT + i, FACT_AT + i + 1, 100]);
  assertEquals(
    retrieved,
    [...new Set(expected.map((key) => Math.floor(key / 2)))].sort((a, b) => a - b),
  );
});

Deno.test("live() of steps without rows shows the text and the numbers", async () => {
  const jupyter = new FakeJupyter();
  const run = fakeRun(TOKENS, (emit) => {
    for (let i = 0; i < 3; i++) emit(fakeStep({ index: FIRST + i }));
  });
  await showLive(run, {}, jupyter.outlet());
  const page = parsed(jupyter.last["text/html"]!);
  assertEquals(page.querySelectorAll("image").length, 0);
  assertEquals(page.querySelectorAll(".ll-place").length, 0);
  assert(texts(page, ".ll-text bdi").join("").endsWith(" It is 7"));
  assertEquals(texts(page, ".ll-facts > .ll-dim").length, 3);
});

Deno.test("live() folds the middle of a long text", async () => {
  const jupyter = new FakeJupyter();
  const tokens = Array.from({ length: 1000 }, (_, i) => ` w${i}`);
  const run = fakeRun(tokens, (emit) => {
    for (let i = 0; i < 500; i++) {
      const row = new Float64Array(400 + i);
      row[450] = 0.5;
      emit(fakeStep({ index: 400 + i, rows: { "0,0": row } }));
    }
  });
  await showLive(run, {}, jupyter.outlet());
  const page = parsed(jupyter.last["text/html"]!);
  assertStringIncludes(texts(page, ".ll-text")[0]!, "w399 \u2026 300 tokens \u2026  w700");
  // What is folded can still be a place that was looked at.
  assertEquals(texts(page, ".ll-places > .ll-dim")[0], "438\u2013462");
});

Deno.test("live() adds the caller's lines, and no empty ones", async () => {
  const extras = () => [{ name: "heads", text: "3 of 4 look for facts", share: 0.75 }, {
    name: "dropped",
    text: "nothing",
  }];
  const { page } = await watchScripted({ extras });
  assertEquals(texts(page, ".ll-facts > .ll-dim").slice(-2), ["3 of 4 look for facts", "nothing"]);
  const plain = (await watchScripted()).page;
  assertEquals(texts(plain, ".ll-facts > .ll-dim").length, 4);
  assertEquals(texts(plain, "div").filter((text) => text === ""), []);
});

Deno.test("live() says that a run was stopped and throws CancelledError", async () => {
  const jupyter = new FakeJupyter();
  const abort = new AbortController();
  const run = fakeRun(TOKENS, async (emit, signal) => {
    scriptedSteps().slice(0, 3).forEach(emit);
    await until(() => jupyter.shown.length > 0);
    abort.abort();
    signal.throwIfAborted();
  }, { signal: abort.signal });
  await assertRejects(() => showLive(run, {}, jupyter.outlet()), CancelledError);
  const page = parsed(jupyter.last["text/html"]!);
  assertStringIncludes(texts(page, ".ll-head")[0]!, "\u25a0 stopped");
  assert(texts(page, ".ll-text bdi").join("").endsWith(" It is 7"));
  assertGreater(performance.now() - jupyter.shown.at(-1)!.at, 90);
});

Deno.test("live() says why a run failed and throws its error", async () => {
  const jupyter = new FakeJupyter();
  const run = fakeRun(TOKENS, (emit) => {
    scriptedSteps().slice(0, 2).forEach(emit);
    throw new RangeError("Cannot go on as <b> is in the way");
  });
  await assertRejects(() => showLive(run, {}, jupyter.outlet()), RangeError, "<b>");
  const page = parsed(jupyter.last["text/html"]!);
  assertStringIncludes(
    texts(page, ".ll-head")[0]!,
    "\u2715 failed: Cannot go on as <b> is in the way",
  );
});

Deno.test("live() of a run that fails before its first step shows no attention", async () => {
  const jupyter = new FakeJupyter();
  const run = fakeRun([], () => {
    throw new RangeError("no tokens");
  });
  await assertRejects(() => showLive(run, {}, jupyter.outlet()), RangeError, "no tokens");
  assertEquals(parsed(jupyter.last["text/html"]!).querySelectorAll(".ll-text").length, 0);
});

Deno.test("live() shows how much of the question was read", async () => {
  const jupyter = new FakeJupyter();
  const run = fakeRun(TOKENS, async (emit) => {
    emit(fakeProgress(64, 256));
    await until(() => jupyter.shown.length > 0);
    scriptedSteps().forEach(emit);
  });
  await showLive(run, {}, jupyter.outlet());
  assertStringIncludes(jupyter.shown[0]!.bundle["text/html"]!, "25 % of the question read");
  assert(!jupyter.last["text/html"]!.includes("question read"));
});

Deno.test("live() throws what the display threw, once the run has ended", async () => {
  const jupyter = new FakeJupyter();
  jupyter.display = () => Promise.reject(new TypeError("the front end is gone"));
  const run = scripted();
  await assertRejects(() => showLive(run, {}, jupyter.outlet()), TypeError, "front end");
  assertEquals(await run, GENERATION);
});

Deno.test("live() gives the result, with the last frame beside it", async () => {
  const { watched, jupyter } = await watchScripted();
  const { text, reason } = watched;
  assertEquals([text, reason], [GENERATION.text, GENERATION.reason]);
  assertEquals(Object.keys(watched), Object.keys(GENERATION));
  assertEquals(await watched.figure.svg(), jupyter.last["image/svg+xml"]);
  // As the last expression of a cell it must not show the panel again.
  const shows = watched as unknown as Record<symbol, () => unknown>;
  assertEquals(shows[Symbol.for("Jupyter.display")]!(), {
    "text/plain": '" it is 7" (stop, 3 tokens, 4.0 ms a token)',
  });
});

Deno.test("live() updates one line of a terminal, as wide as it is, and leaves it", async () => {
  for (const columns of [30, 80, 160]) {
    const terminal = new FakeTerminal();
    const outlet = terminalOutlet(new TerminalLine(terminal, () => columns));
    await showLive(longRun(200), {}, outlet);
    assertGreater(terminal.lines.length, 1);
    for (const line of terminal.lines) assertLessOrEqual(textColumns(line), columns - 1);
    assertEquals(terminal.written.match(/\n/g)?.length, 1);
    const last = terminal.lines.at(-1)!;
    assert(last.startsWith("\u2713 done: stop text, 200"), last);
    if (columns === 160) assert(last.endsWith(" w498 w499"), last);
  }
});

Deno.test("live() gives the result and shows nothing where nobody would see it", async () => {
  const { text, figure } = await showLive(scripted(), {}, null);
  assertEquals(text, GENERATION.text);
  assertStringIncludes(figure.text, "done: stop text, 7 tokens");
  // The tests' own stdout is no terminal.
  if (!Deno.stdout.isTerminal()) assertEquals((await plot.live(scripted())).text, GENERATION.text);
});

Deno.test("live() shows hostile tokens and titles as text, on the way and in the end", async () => {
  const tokens = [...XSS_TOKENS, ...XSS_TOKENS];
  const jupyter = new FakeJupyter();
  const run = fakeRun(tokens, async (emit) => {
    for (let index = XSS_TOKENS.length; index < tokens.length; index++) {
      const row = new Float64Array(index).fill(1 / index);
      emit(fakeStep({ index, rows: { "0,0": row }, retrieved: [3] }));
      if (index % 40 === 0) await pause(160);
    }
  });
  const title = XSS_TOKENS.join("");
  const extras = () => [{ name: title, text: title, share: 0.5 }];
  const { figure } = await showLive(run, { title, extras }, jupyter.outlet());
  await assertInert(figure);
  const frames = jupyter.shown.map(({ bundle }) => parsed(bundle["text/html"]!));
  for (const page of frames) {
    const names = new Set([...page.body.querySelectorAll("*")].map(({ tagName }) => tagName));
    const ours = new Set("DIV IMG STYLE B SPAN BDI svg g rect text image line".split(" "));
    assertEquals([...names].filter((name) => !ours.has(name)), []);
  }
  assertNotEquals(frames.length, 1);
});
