/** Figures of hostile texts in each place where a figure shows a text that others wrote. */
import { type Figure, plot } from "../../../mod.ts";
import { fakeRun, fakeStep } from "../../plot/fake_run.ts";
import { HOSTILE_TEXTS } from "./hostile_texts.ts";

const TITLE = HOSTILE_TEXTS.slice(0, 40).join(" ");

/** Labels of an attention map are drawn for so many tokens. */
const LABELLED = 64;

/** The figures by name. */
export async function hostileFigures(): Promise<Readonly<Record<string, Figure>>> {
  const maps = parts(LABELLED).map(attentionMap);
  return {
    ...Object.fromEntries(maps.map((map, part) => [`attentionMap${part}`, map])),
    attentionRow: attentionRow(0),
    attentionRowOdd: attentionRow(1),
    tokenHeat: tokenHeat(),
    headGrid: headGrid(),
    retrievalTrace: retrievalTrace(),
    needleGrid: needleGrid(),
    runSummary: runSummary(),
    compare: plot.compare(maps, { title: TITLE, titles: HOSTILE_TEXTS.slice(0, maps.length) }),
    live: await live(),
  };
}

function parts(length: number): readonly string[][] {
  const count = Math.ceil(HOSTILE_TEXTS.length / length);
  return Array.from(
    { length: count },
    (_, part) => HOSTILE_TEXTS.slice(part * length, (part + 1) * length),
  );
}

function rising(from: 0 | 1, step: 1 | 2): Float32Array {
  return Float32Array.from(HOSTILE_TEXTS, (_, x) => x % step === from ? 1 + x : 0);
}

function attentionMap(tokens: readonly string[]): Figure {
  const n = tokens.length;
  const values = new Float32Array(n * n);
  for (let row = 0; row < n; row++) values.fill(1 / (row + 1), row * n, row * n + row + 1);
  const data = { rows: n, columns: n, values };
  return plot.attentionMap(data, { tokens, title: TITLE, method: TITLE });
}

/** Every second key has a weight, as neighbours share a label. */
function attentionRow(from: 0 | 1): Figure {
  const options = { tokens: HOSTILE_TEXTS, title: TITLE, top: HOSTILE_TEXTS.length };
  return plot.attentionRow(rising(from, 2), options);
}

function tokenHeat(): Figure {
  const scores = Object.fromEntries(HOSTILE_TEXTS.map((name) => [name, rising(0, 1)]));
  return plot.tokenHeat(HOSTILE_TEXTS, scores, { title: TITLE });
}

function headGrid(): Figure {
  const values = HOSTILE_TEXTS.map((glyph, x) => ({
    layer: Math.floor(x / 8),
    head: x % 8,
    value: x,
    size: x,
    glyph,
  }));
  return plot.headGrid(values, { title: TITLE, label: TITLE, sizeLabel: TITLE });
}

function retrievalTrace(): Figure {
  const keys = HOSTILE_TEXTS.length;
  const rows = HOSTILE_TEXTS.map((token, step) => {
    return { step, layer: 0, head: 0, indices: [step], scanned: 1, attended: 1, keys, token };
  });
  return plot.retrievalTrace(rows, { tokens: HOSTILE_TEXTS, title: TITLE });
}

function needleGrid(): Figure {
  const cells = HOSTILE_TEXTS.map((method) => {
    return { length: 1024, depth: 0.5, right: 1, total: 2, method };
  });
  return plot.needleGrid(cells, { title: TITLE });
}

function runSummary(): Figure {
  const phases = HOSTILE_TEXTS.map((name, x) => ({ name, ms: 1 + x, tokens: 1 }));
  return plot.runSummary({ phases }, { title: TITLE });
}

async function live(): Promise<Figure> {
  const start = HOSTILE_TEXTS.length / 2;
  const run = fakeRun(HOSTILE_TEXTS, (emit) => {
    for (let index = start; index < HOSTILE_TEXTS.length; index++) {
      emit(fakeStep({ index, rows: { "0,0": rising(0, 1).slice(0, index) }, retrieved: [0, 1] }));
    }
  });
  const extras = () => HOSTILE_TEXTS.map((name) => ({ name, text: name, share: 0.5 }));
  return (await plot.live(run, { title: TITLE, extras })).figure;
}
