/** Notebooks that the front end is tried with. */

const MAP = `import { plot } from "@longlens/longlens";
const n = 24;
const values = new Float32Array(n * n);
for (let row = 0; row < n; row++) values.fill(1 / (row + 1), row * n, row * n + row + 1);
const tokens = Array.from({ length: n }, (_, x) => " word" + x);
plot.attentionMap({ rows: n, columns: n, values }, { tokens })`;

const LOAD = `import { Model } from "@longlens/longlens";
const model = await Model.load();
const session = model.session();
await session.prefill("The pass key is 73914. Remember it. ".repeat(40));
const before = session.length;
before`;

/** Goes on where the model ends its text. */
const GENERATE = `let seen = 0;
for (;;) {
  const run = session.generate({ maxTokens: 100_000, temperature: 1.5, seed: 3 });
  for await (const _ of run) if (++seen === 1) console.log("it has begun");
}`;

const AFTER = `const grown = session.length > before && seen > 0;
await session.step();
console.log(grown ? "all is there" : "something is lost")`;

const HOSTILE = `import { hostileFigures } from "hostile-figures";
for (const figure of Object.values(await hostileFigures())) await Deno.jupyter.display(figure);`;

/** Cells by file name. */
export const NOTEBOOKS = {
  "map.ipynb": [MAP],
  "stop.ipynb": [LOAD, GENERATE, AFTER],
  "hostile.ipynb": [HOSTILE],
} as const;
