import { inFolder } from "../in_folder.ts";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { decode } from "fast-png";
import { JSDOM } from "jsdom";
import { checkBundle } from "../../lib/plot/draw/bundle.ts";
import { Figure, type MediaBundle, type Picture } from "../../lib/plot/figure.ts";
import { parsed } from "./inert.ts";

const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><rect width="30" height="20" fill="#0072b2"/></svg>';

function figure(picture: Partial<Picture> = {}, text = "A blue rectangle"): Figure {
  return new Figure({ text, draw: () => ({ svg: SVG, ...picture }) });
}

function display(shown: Figure): Promise<MediaBundle> {
  const methods = shown as unknown as Record<symbol, () => Promise<MediaBundle>>;
  return methods[Symbol.for("Jupyter.display")]!();
}

Deno.test("a figure is drawn when it is first looked at, and once", async () => {
  let drawn = 0;
  const lazy = new Figure({ text: "", draw: () => ({ svg: `${SVG}<!--${++drawn}-->` }) });
  assertEquals(drawn, 0);
  await Promise.all([lazy.svg(), lazy.html(), lazy.png(), display(lazy)]);
  assertEquals(drawn, 1);
});

Deno.test("redrawn() asks for the new width and range, the later over the earlier", async () => {
  const asked: unknown[] = [];
  const whole = new Figure({
    text: "t",
    ink: { measure: "m", range: [0, 1] },
    draw: (how) => {
      asked.push(how);
      return { svg: SVG };
    },
  });
  const again = whole.redrawn({ range: [0, 2], width: 300 });
  await again.redrawn({ width: 100 }).svg();
  assertEquals(asked, [{ range: [0, 2], width: 100 }]);
  assertEquals([again.ink?.range, whole.ink?.range], [[0, 2], [0, 1]]);
});

Deno.test("save() writes SVG, PNG and HTML by the name's ending", async () => {
  await inFolder(async (folder) => {
    await figure().save(`${folder}/a.svg`);
    await figure().save(`${folder}/a.b.PNG`);
    await figure().save(`${folder}/a.html`);
    assertEquals(await Deno.readTextFile(`${folder}/a.svg`), SVG);
    const { width, height, data } = decode(await Deno.readFile(`${folder}/a.b.PNG`));
    assertEquals([width, height, ...data.slice(0, 4)], [60, 40, 0, 0x72, 0xb2, 255]);
    const page = new JSDOM(await Deno.readTextFile(`${folder}/a.html`)).window.document;
    assertEquals(page.compatMode, "CSS1Compat");
    assertEquals(page.characterSet, "UTF-8");
    assertEquals(page.querySelector(".ll-figure svg rect")?.getAttribute("fill"), "#0072b2");
  });
});

Deno.test("save() refuses another ending and writes nothing", async () => {
  await inFolder(async (folder) => {
    for (const name of ["a.pdf", "a", "svg"]) {
      await assertRejects(() => figure().save(`${folder}/${name}`), RangeError, name);
    }
    assertEquals([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("png() draws at the asked zoom", async () => {
  const { width, height } = decode(await figure().png(3));
  assertEquals([width, height], [90, 60]);
});

Deno.test("Jupyter is given text, SVG and HTML, and the SVG is within the HTML", async () => {
  const bundle = await display(figure());
  assertEquals(Object.keys(bundle), ["text/plain", "image/svg+xml", "text/html"]);
  assertEquals(bundle["text/plain"], "A blue rectangle");
  assertEquals(bundle["image/svg+xml"], SVG);
  assertStringIncludes(bundle["text/html"]!, SVG);
});

Deno.test("html() shows the whole picture as an image where styles and SVG elements are taken out", async () => {
  const document = parsed(await figure().html());
  for (const taken of [...document.querySelectorAll("style, script, svg")]) taken.remove();
  const images = [...document.querySelectorAll("img")];
  assertEquals(images.map(({ src }) => atob(src.split(",")[1]!)), [SVG]);
  assertEquals(document.querySelector(".ll-rich").style.display, "none");
});

Deno.test("Jupyter is refused more than 5 MB, with advice", async () => {
  const svg = SVG + " ".repeat(2_600_000);
  const error = await assertRejects(() => display(figure({ svg })), RangeError, "8.7 MB");
  assertInstanceOf(error, RangeError);
  assertStringIncludes(error.message, "save() it to a file");
});

Deno.test("checkBundle() notes sizes above 1 MB in the text and leaves the rest", () => {
  const small = { "text/plain": "t", "text/html": "x".repeat(999_999) };
  assertEquals(checkBundle(small), small);
  const large = { "text/plain": "t", "text/html": "x".repeat(1_000_000) };
  const noted = checkBundle(large);
  assertEquals(noted["text/html"], large["text/html"]);
  assert(noted["text/plain"]!.startsWith("t\n(1.0 MB in this notebook"));
});

Deno.test("checkBundle() counts bytes, not characters", () => {
  const noted = checkBundle({ "text/plain": "t", "text/html": "\u2588".repeat(400_000) });
  assertStringIncludes(noted["text/plain"]!, "1.2 MB");
});

Deno.test("every html() has an id of its own, and the asked one where it is asked", async () => {
  const one = figure({ script: "root.done=true;" });
  const pages = await Promise.all([one.html(), one.html(), figure().html()]);
  const ids = pages.map((page) => page.match(/ id="(ll-[^"]+)"/)![1]);
  assertEquals(new Set(ids).size, 3);
  assertStringIncludes(await one.html("mine"), '<div class="ll-figure" id="mine">');
});

Deno.test("the script runs with its own root, and two figures on a page do not meet", async () => {
  const script = 'root.querySelector("rect").setAttribute("data-id",root.id);';
  const shown = figure({ script });
  const { window } = new JSDOM(await shown.html("one") + await shown.html('t"wo</script>'), {
    runScripts: "dangerously",
  });
  const seen = [...window.document.querySelectorAll("rect")].map((rect) =>
    rect.getAttribute("data-id")
  );
  assertEquals(seen, ["one", 't"wo</script>']);
  const globals = Object.keys(window).filter((name) => /root|^ll|longlens/i.test(name));
  assertEquals(globals, []);
  window.close();
});

Deno.test("a figure without a script has no script and no tip", async () => {
  const html = await figure().html();
  assert(!html.includes("<script") && !html.includes('class="ll-tip"'));
});

Deno.test("html of a picture stands in place of its SVG", async () => {
  const html = await figure({ html: "<p>other</p>" }).html();
  assert(html.includes("<p>other</p>") && !html.includes(SVG));
});

Deno.test("a console shows a figure's text", () => {
  assertEquals(Deno.inspect(figure()), "A blue rectangle");
  assertEquals(`${figure()}`, "A blue rectangle");
});
