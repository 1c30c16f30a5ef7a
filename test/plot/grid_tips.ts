import { JSDOM } from "jsdom";
import type { Figure } from "../../lib/plot/figure.ts";

/** What a figure says under the pointer, at places of a grid that is 200 wide and 16 high. */
export async function gridTips(
  figure: Figure,
  places: readonly (readonly [clientX: number, clientY: number])[],
): Promise<string[]> {
  const html = await figure.html("ll-test");
  const { window } = new JSDOM(`<body>${html}</body>`, { runScripts: "dangerously" });
  const grid = window.document.querySelector(".ll-grid");
  grid.getBoundingClientRect = () => ({ left: 0, top: 0, width: 200, height: 16 });
  const tips = places.map(([clientX, clientY]): string => {
    grid.dispatchEvent(new window.MouseEvent("pointermove", { clientX, clientY }));
    return window.document.querySelector(".ll-tip").textContent;
  });
  window.close();
  return tips;
}
