/** What shows under the pointer over an attention map. */
import type { BinAxis } from "../draw/bins.ts";
import { scriptJson } from "../draw/escape.ts";
import type { MapDrawing } from "./map_picture.ts";
import { LEVELS } from "../draw/palette.ts";
import { visibleToken } from "../draw/token_text.ts";

/** Characters of text kept for a bin. */
const SNIPPET = 24;

/**
 * Reads the weights back from the picture itself: its pixels are places in the palette, so that no value is embedded
 * twice. The data are a value for each place, the two axes, and a piece of text for each bin.
 */
const SCRIPT = `
const image=root.querySelector(".ll-raster"),tip=root.querySelector(".ll-tip");
const line=root.querySelector(".ll-pin-line"),note=root.querySelector(".ll-pin");
const {values,queries,keys,measure}=data;
let levels=null,pinned=-1;
(async()=>{
const bytes=Uint8Array.from(atob(image.getAttribute("href").split(",")[1]),c=>c.charCodeAt(0));
const view=new DataView(bytes.buffer),parts=[];
for(let at=8;at<bytes.length;at+=12+view.getUint32(at))
if(view.getUint32(at+4)===0x49444154)parts.push(bytes.subarray(at+8,at+8+view.getUint32(at)));
const stream=new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
levels=new Uint8Array(await new Response(stream).arrayBuffer());
})().catch(()=>{});
const weight=(row,column)=>levels?values[levels[row*(keys.bins+1)+1+column]]:undefined;
const tokens=(axis,bin)=>{
const from=axis.first+Math.ceil(bin*axis.tokens/axis.bins),to=axis.first+Math.ceil((bin+1)*axis.tokens/axis.bins)-1;
return(from===to?from:from+"\\u2013"+to)+" "+((axis.texts||keys.texts||[])[bin]||"");
};
const number=value=>value===undefined?"?":value===null?"none":"\\u2248 "+value;
const bin=(at,start,size,bins)=>Math.max(0,Math.min(bins-1,Math.floor((at-start)/size*bins)));
const cell=event=>{
const box=image.getBoundingClientRect();
return[bin(event.clientY,box.top,box.height,queries.bins),bin(event.clientX,box.left,box.width,keys.bins)];
};
image.addEventListener("pointermove",event=>{
const[row,column]=cell(event),frame=root.getBoundingClientRect();
tip.textContent="query "+tokens(queries,row)+"\\nkey "+tokens(keys,column)+"\\n"+measure+" "+number(weight(row,column));
tip.style.display="block";
const beside=(at,size,tipSize)=>at>size/2?at-tipSize-12:at+12;
const x=beside(event.clientX-frame.left,frame.width,tip.offsetWidth);
tip.style.left=Math.max(0,x)+root.scrollLeft+"px";
tip.style.top=beside(event.clientY-frame.top,frame.height,tip.offsetHeight)+root.scrollTop+"px";
});
image.addEventListener("pointerleave",()=>{tip.style.display="none";});
image.addEventListener("click",event=>{
const[row]=cell(event);
pinned=pinned===row?-1:row;
line.setAttribute("visibility",pinned<0?"hidden":"visible");
if(pinned<0){note.textContent="";return;}
const of=name=>Number(image.getAttribute(name)),height=of("height")/queries.bins;
const place={x:of("x"),width:of("width"),y:of("y")+row*height,height:Math.max(1,height)};
for(const name in place)line.setAttribute(name,place[name]);
const all=Array.from({length:keys.bins},(_,column)=>[weight(row,column),column]).filter(([value])=>value>0);
const top=all.sort((a,b)=>b[0]-a[0]).slice(0,8);
note.textContent="query "+tokens(queries,row)+"\\n"+top.map(([value,column])=>"  "+number(value)+"  key "+tokens(keys,column)).join("\\n");
});
`;

/** The script of a map; `measure` is what its values are. */
export function hoverScript(drawing: MapDrawing, measure: string): string {
  return `const data=${scriptJson({ ...hoverData(drawing), measure })};${SCRIPT}`;
}

function hoverData({ grid, scale, tokens }: MapDrawing) {
  const { queries, keys, firstQuery } = grid;
  const same = firstQuery === 0 && queries.tokens === keys.tokens && queries.bins === keys.bins;
  return {
    values: levelValues(scale),
    queries: axisData(queries, firstQuery, same ? undefined : tokens),
    keys: axisData(keys, 0, tokens),
  };
}

function axisData({ tokens, bins, firstOf }: BinAxis, first: number, texts?: readonly string[]) {
  if (!texts) return { tokens, bins, first };
  const snippets = Array.from(
    { length: bins },
    (_, bin) => snippet(texts, first + firstOf(bin), first + firstOf(bin + 1)),
  );
  return { tokens, bins, first, texts: snippets };
}

/** The value of each palette entry with three digits; `null` for "no value". */
function levelValues(scale: MapDrawing["scale"]): (number | null)[] {
  const values = Array.from(
    { length: LEVELS },
    (_, level) => Number(scale.value(level / (LEVELS - 1)).toPrecision(3)),
  );
  return [...values, null];
}

/** The text of some tokens, cut. */
function snippet(texts: readonly string[], from: number, to: number): string {
  let text = "";
  for (let i = from; i < to && text.length <= SNIPPET; i++) text += visibleToken(texts[i]!);
  const characters = [...text];
  return characters.length > SNIPPET ? characters.slice(0, SNIPPET).join("") + "\u2026" : text;
}
