/**
 * Parsed templates, changed where `@huggingface/jinja` does otherwise than Jinja on Python: what is printed or joined
 * becomes text by a function of ours, and so do texts that are stripped.
 */

/** A node of a parsed template. */
export interface Node {
  /** Its class. */
  readonly type: string;
  [field: string]: unknown;
}

/** Makes nodes of the classes that the parser makes them of. */
export interface Nodes {
  /** A call of a global function. */
  call(name: string, ...args: unknown[]): Node;
  /** A text. */
  string(value: string): Node;
}

/** The function that makes a value text; no template can write its name. */
export const TEXT = "text()";
/** The function that makes the items of a list texts; no template can write its name. */
export const TEXTS = "texts()";
/** The function that strips a text; no template can write its name. */
export const STRIP = "strip()";

const STRIPS = ["strip", "lstrip", "rstrip"];
/** Statements print nothing themselves; every other node of a body is an expression that is printed. */
const STATEMENTS = ["If", "For", "Set", "Macro", "CallStatement", "FilterStatement", "Break"]
  .concat(["Continue", "Comment", "StringLiteral"]);
const BODIES = ["body", "alternate", "defaultBlock"];

/** Changes a program, and returns every text in it: what it prints as it is, and what stands in quotes. */
export function rewriteProgram(program: Node, nodes: Nodes): string[] {
  const literals: string[] = [];
  rewrite(program, nodes, literals);
  return literals;
}

/** Works from the leaves up; returns what stands for `value`. */
function rewrite(value: unknown, nodes: Nodes, literals: string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => rewrite(item, nodes, literals));
  if (value instanceof Map) {
    const entries = [...value].map((entry) => rewrite(entry, nodes, literals));
    return new Map(entries as [unknown, unknown][]);
  }
  if (!isNode(value)) return value;
  for (const [field, child] of Object.entries(value)) {
    const changed = rewrite(child, nodes, literals);
    value[field] = BODIES.includes(field) ? printed(changed as Node[], nodes) : changed;
  }
  if (value.type === "StringLiteral") literals.push(value["value"] as string);
  return replaced(value, nodes);
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value;
}

function printed(body: readonly Node[], nodes: Nodes): Node[] {
  return body.map((node) => STATEMENTS.includes(node.type) ? node : nodes.call(TEXT, node));
}

function replaced(node: Node, nodes: Nodes): Node {
  switch (node.type) {
    case "CallExpression":
      return replacedCall(node, nodes);
    case "FilterExpression":
      return replacedFilter(node, nodes);
    case "BinaryExpression":
      return replacedBinary(node, nodes);
    default:
      return node;
  }
}

function replacedCall(node: Node, nodes: Nodes): Node {
  const { callee, args } = node as unknown as { callee: Node; args: unknown[] };
  const method = callee.type === "MemberExpression" && !callee["computed"]
    ? (callee["property"] as Node)["value"] as string
    : "";
  if (!STRIPS.includes(method)) return node;
  return nodes.call(STRIP, nodes.string(method), callee["object"], ...args);
}

function replacedFilter(node: Node, nodes: Nodes): Node {
  const { operand, filter } = node as unknown as { operand: Node; filter: Node };
  const called = filter.type === "CallExpression";
  const { value: name } = (called ? filter["callee"] : filter) as { value?: unknown };
  const args = called ? filter["args"] as unknown[] : [];
  if (name === "join") node["operand"] = nodes.call(TEXTS, operand);
  if (name !== "trim" && name !== "string") return node;
  const text = nodes.call(TEXT, operand);
  return name === "string" ? text : nodes.call(STRIP, nodes.string("strip"), text, ...args);
}

function replacedBinary(node: Node, nodes: Nodes): Node {
  if ((node["operator"] as { value: string }).value !== "~") return node;
  node["left"] = nodes.call(TEXT, node["left"]);
  node["right"] = nodes.call(TEXT, node["right"]);
  return node;
}
