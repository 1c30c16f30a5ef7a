import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { CancelledError } from "../../ffi/errors.ts";
import { Run } from "../../lib/engine/run.ts";
import { clipColumns, textColumns } from "../../lib/plot/draw/columns.ts";
import { terminalOutlet } from "../../lib/plot/watch/outlet.ts";
import { plot } from "../../lib/plot/plot.ts";
import { type ProgressEvent, showProgress } from "../../lib/plot/progress.ts";
import { barText, TerminalLine } from "../../lib/plot/watch/terminal_line.ts";
import { FakeJupyter, fakeProgress, FakeTerminal, pause, until } from "./fake_run.ts";
import { parsed } from "./inert.ts";
import { XSS_TOKENS } from "./xss_corpus.ts";

type Work = (emit: (event: ProgressEvent) => void, signal: AbortSignal) => Promise<void> | void;

function reading(work: Work): Run<ProgressEvent, { tokens: number }> {
  return new Run<ProgressEvent, { tokens: number }>(async (emit, signal) => {
    await work(emit, signal);
    return { tokens: 4000 };
  });
}

const half: Work = (emit) => emit(fakeProgress(2000, 4000, 1000));
const whole: Work = (emit) => emit(fakeProgress(4000, 4000, 2000));

function lineOf(terminal: FakeTerminal, columns = 100) {
  return terminalOutlet(new TerminalLine(terminal, () => columns));
}

Deno.test("progress() gives the run's result and says how long it took", async () => {
  const jupyter = new FakeJupyter();
  assertEquals(await showProgress(reading(whole), {}, jupyter.outlet()), { tokens: 4000 });
  const text = "Reading: 4,000 tokens in 2.00 s, 2,000 tokens/s";
  assertStringIncludes(jupyter.last["text/plain"]!, `100 %  ${text}`);
  const page = parsed(jupyter.last["text/html"]!);
  assertEquals(page.body.textContent!.replace(/^.*}/s, ""), text);
  assertEquals(page.querySelector("[role=progressbar]")!.getAttribute("aria-valuenow"), "100.0");
});

Deno.test("progress() tells speed and time left on the way", async () => {
  const jupyter = new FakeJupyter();
  const run = reading(async (emit) => {
    await half(emit, new AbortController().signal);
    await until(() => jupyter.shown.length > 0);
  });
  await showProgress(run, { title: "Haystack" }, jupyter.outlet());
  const [first] = jupyter.shown;
  assertStringIncludes(
    first!.bundle["text/plain"]!,
    "50 %  Haystack: 2,000 of 4,000 tokens, 2,000 tokens/s, 1.00 s left",
  );
  assertMatch(first!.bundle["text/html"]!, /aria-valuenow="50.0"/);
});

Deno.test("progress() is one display that is updated at most eight times a second", async () => {
  const jupyter = new FakeJupyter();
  const run = reading(async (emit) => {
    for (let done = 1; done <= 500; done++) {
      emit(fakeProgress(done, 500, done));
      await pause(1);
    }
  });
  await showProgress(run, {}, jupyter.outlet());
  const { shown } = jupyter;
  assertEquals(new Set(shown.map(({ id }) => id)).size, 1);
  assertEquals(shown.map(({ update }) => update), shown.map((_, i) => i > 0));
  const seconds = (shown.at(-1)!.at - shown[0]!.at) / 1000;
  assertLessOrEqual(shown.length, 1 + 8 * Math.max(1, seconds));
});

Deno.test("progress() says where a run was stopped, and throws what it threw", async () => {
  const jupyter = new FakeJupyter();
  const run = reading(async (emit, signal) => {
    await half(emit, signal);
    run.cancel();
    throw new Error("whatever stopping looks like");
  });
  await assertRejects(() => showProgress(run, {}, jupyter.outlet()), CancelledError);
  assertStringIncludes(
    jupyter.last["text/plain"]!,
    "50 %  Reading stopped at 2,000 of 4,000 tokens after 1.00 s",
  );
});

Deno.test("progress() says where and why a run failed", async () => {
  const jupyter = new FakeJupyter();
  const run = reading((emit, signal) => {
    half(emit, signal);
    throw new RangeError("no memory is left");
  });
  await assertRejects(() => showProgress(run, {}, jupyter.outlet()), RangeError, "no memory");
  const text = "failed at 2,000 of 4,000 tokens after 1.00 s: no memory is left";
  assertStringIncludes(jupyter.last["text/plain"]!, text);
  assertStringIncludes(jupyter.last["text/html"]!, text);
});

Deno.test("progress() of a run without events is empty, then full", async () => {
  const jupyter = new FakeJupyter();
  const run = reading(() => until(() => jupyter.shown.length > 0));
  await showProgress(run, {}, jupyter.outlet());
  assertEquals(jupyter.shown.map(({ bundle }) => bundle["text/plain"]!.replace(/\[.*\] /, "")), [
    "0 %  Reading",
    "100 %  Reading: done",
  ]);
});

Deno.test("progress() takes no notice of other events", async () => {
  const run = new Run<{ kind: string }, number>((emit) => {
    emit({ kind: "step" });
    return Promise.resolve(3);
  });
  assertEquals(await showProgress(run, {}, new FakeJupyter().outlet()), 3);
});

Deno.test("progress() writes one line of a terminal and leaves it", async () => {
  const terminal = new FakeTerminal();
  await showProgress(reading(whole), {}, lineOf(terminal));
  assert(terminal.written.endsWith("\n"));
  assertEquals(terminal.written.match(/\n/g)!.length, 1);
  assertStringIncludes(terminal.lines.at(-1)!, "Reading: 4,000 tokens in 2.00 s");
});

Deno.test("progress() gives the result and writes nothing where nobody would see it", async () => {
  assertEquals(await showProgress(reading(whole), {}, null), { tokens: 4000 });
  // The tests' own stdout is no terminal.
  if (!Deno.stdout.isTerminal()) {
    assertEquals(await plot.progress(reading(whole)), { tokens: 4000 });
  }
});

Deno.test("progress() shows a hostile title as text", async () => {
  await Promise.all(XSS_TOKENS.map(async (title) => {
    const jupyter = new FakeJupyter();
    await showProgress(reading(whole), { title }, jupyter.outlet());
    const page = parsed(jupyter.last["text/html"]!);
    const names = new Set([...page.body.querySelectorAll("*")].map(({ tagName }) => tagName));
    assertEquals([...names].sort(), ["B", "DIV", "SPAN", "STYLE"], title);
  }));
});

Deno.test("TerminalLine shows any text in its columns, and nothing that moves the cursor", () => {
  for (const columns of [20, 40, 81]) {
    for (const text of [...XSS_TOKENS, "\u65e5\u672c\u8a9e".repeat(20), "a\u0301".repeat(90)]) {
      const terminal = new FakeTerminal();
      const line = new TerminalLine(terminal, () => columns);
      line.show(text);
      const [shown] = terminal.lines;
      assertLessOrEqual(textColumns(shown!), columns - 1);
      // deno-lint-ignore no-control-regex
      assert(!/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(shown!), text);
    }
  }
});

Deno.test("TerminalLine is silent where there is no terminal", () => {
  const terminal = new FakeTerminal(false);
  const line = new TerminalLine(terminal, () => 80);
  line.show("text");
  line.end();
  line.clear();
  assertEquals([line.shown, terminal.written], [false, ""]);
});

Deno.test("barText() fills with the share", () => {
  assertEquals(barText(0), `[${"-".repeat(28)}] 0 %`);
  assertEquals(barText(0.5), `[${"#".repeat(14)}${"-".repeat(14)}] 50 %`);
  assertEquals(clipColumns(barText(1), 30), `[${"#".repeat(28)}]`.slice(0, 29) + "\u2026");
});
