/** Script that tells the value of the cell under the pointer, for grids drawn as one picture. */
import { scriptJson } from "./escape.ts";

/** What a grid says of its cells. */
export interface GridTexts {
  /** What each row is. */
  readonly rows: readonly string[];
  /** What each column is. */
  readonly columns: readonly string[];
  /** Values, `[rows, columns]`; cells that are `NaN` say "no value". */
  readonly values: ArrayLike<number>;
  /** What the values are. */
  readonly measure: string;
  /**
   * More about each cell, `[rows, columns]`.
   * @default nothing
   */
  readonly notes?: readonly string[];
}

/** Body of a function of `root`; the grid is its element `.ll-grid`. */
export function gridHover({ rows, columns, values, measure, notes }: GridTexts): string {
  const numbers = Array.from(
    values,
    (value) => Number.isNaN(value) ? null : Number(value.toPrecision(4)),
  );
  return `const data=${scriptJson({ rows, columns, numbers, measure, notes })};${SCRIPT}`;
}

const SCRIPT = `
const grid=root.querySelector(".ll-grid"),tip=root.querySelector(".ll-tip");
grid.addEventListener("pointermove",(event)=>{
const box=grid.getBoundingClientRect(),home=root.getBoundingClientRect();
const place=(at,size,count)=>Math.max(0,Math.min(count-1,Math.floor(at/size*count)));
const row=place(event.clientY-box.top,box.height,data.rows.length);
const column=place(event.clientX-box.left,box.width,data.columns.length);
const at=row*data.columns.length+column,value=data.numbers[at],note=data.notes?.[at];
tip.textContent=data.rows[row]+"\\n"+data.columns[column]+"\\n"+(value===null?"no value":data.measure+" "+value)+(note?"\\n"+note:"");
tip.style.display="block";
const left=event.clientX-home.left+root.scrollLeft+12;
tip.style.left=Math.min(left,Math.max(0,root.clientWidth-tip.offsetWidth))+"px";
tip.style.top=event.clientY-home.top+root.scrollTop+12+"px";});
grid.addEventListener("pointerleave",()=>{tip.style.display="none";});`;
