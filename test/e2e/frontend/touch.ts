/** The pointer on figures. */
import type { Locator, Page } from "playwright-core";

/** Places on the diagonal of a figure: more than a figure of hostile texts has tokens. */
const PLACES = 60;

/** Moves the pointer over every figure of the page, past each of its tokens, and clicks here and there. */
export async function touchFigures(page: Page): Promise<void> {
  for (const figure of await page.locator(".ll-figure").all()) {
    const raster = figure.locator(".ll-raster").first();
    await touch(page, await raster.count() > 0 ? raster : figure);
  }
}

async function touch(page: Page, element: Locator): Promise<void> {
  await element.scrollIntoViewIfNeeded();
  const { x, y, width, height } = (await element.boundingBox())!;
  for (let place = 0; place < PLACES; place++) {
    const share = (place + 0.5) / PLACES;
    const [left, top] = [x + width * share, y + height * share];
    await page.mouse.move(left, top);
    if (place % 5 === 0) await page.mouse.click(left, top);
  }
}

/** Figures of the page but for those of one line: how many there are, and how many show an image or SVG of some size. */
export async function figuresSeen(page: Page): Promise<{ all: number; pictures: number }> {
  await page.waitForLoadState("networkidle");
  return await page.evaluate(`(() => {
    const box = (element) => element.getBoundingClientRect();
    const seen = (element) =>
      box(element).width > 50 && box(element).height > 20 && element.naturalWidth !== 0;
    const figures = [...document.querySelectorAll(".ll-figure")].filter((one) => box(one).height > 40);
    const pictures = figures.filter((one) => [...one.querySelectorAll("img, svg")].some(seen));
    return { all: figures.length, pictures: pictures.length };
  })()`);
}
