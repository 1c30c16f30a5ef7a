/** The HTML around a picture: its style, its root element, its script. */
import { escapeText, scriptJson } from "./escape.ts";
import type { Picture } from "../figure.ts";

/** Colours follow the page; sizes fit a notebook's column. */
const STYLE = `.ll-figure{position:relative;color:inherit;background:transparent;
font:12px system-ui,sans-serif;max-width:100%;max-height:900px;overflow:auto}
.ll-figure svg{max-width:100%;height:auto;overflow:visible}
.ll-figure .ll-tip{position:absolute;display:none;pointer-events:none;z-index:2;padding:3px 6px;
border-radius:3px;background:#222;color:#fff;white-space:pre;font:11px ui-monospace,monospace}
.ll-figure>.ll-still{display:none}.ll-figure>.ll-rich{display:block!important}`;

let made = 0;

/** An id that no other figure of this page has. */
export function uniqueId(): string {
  made++;
  return `ll-${made}-${crypto.randomUUID().slice(0, 8)}`;
}

/** HTML of a picture with a root element `.ll-figure`, a hidden `.ll-tip` and the script. */
export function frame({ svg, html = svg, script }: Picture, id: string = uniqueId()): string {
  const tip = `<div class="ll-tip" role="status"></div>`;
  const run = script
    ? `<script>(()=>{const root=document.getElementById(${
      scriptJson(id)
    });if(!root)return;${script}})();</script>`
    : "";
  const style = `<style>${STYLE}</style>`;
  const shown = html + (script ? tip : "");
  // Front ends take styles, scripts and SVG elements out of notebooks they do not trust: the image stays.
  const body = svg === ""
    ? style + shown
    : `${still(svg)}${style}<div class="ll-rich" style="display:none">${shown}</div>`;
  return `<div class="ll-figure" id="${escapeText(id)}">${body}</div>${run}`;
}

/** The picture as an image, on white as it cannot know the page's colours. */
function still(svg: string): string {
  const data = new TextEncoder().encode(svg).toBase64();
  return `<img class="ll-still" alt="" style="max-width:100%;background:#fff" ` +
    `src="data:image/svg+xml;base64,${data}">`;
}
