/**
 * Templates of chat models: `@huggingface/jinja` parses and runs them, and what it does otherwise than Jinja on Python, so
 * that a prompt would silently differ, is put right. Known to remain: lengths count UTF-16 units, `%` of a negative
 * number has its sign, the pairs of `items()` print as lists, and `join` knows no `attribute`.
 */
import { type Node, type Nodes, rewriteProgram, STRIP, TEXT, TEXTS } from "./jinja_rewrite.ts";
import { boundedRange, strip, textOf, textsOf, type Value } from "./jinja_values.ts";
import { strftime } from "./strftime.ts";

/** A parsed template. */
export interface JinjaTemplate {
  /** Every text that stands in the template or in a string in it. */
  readonly literals: readonly string[];
  /** The text for `variables`, plain JSON; `strftime_now` tells `now`. */
  render(variables: Readonly<Record<string, unknown>>, now: Date): string;
}

/** What a template says about its messages with `raise_exception`. */
export class TemplateRefusal extends Error {}

type Jinja = typeof import("@huggingface/jinja");

/** Parses a template, or throws what the library throws. */
export async function parseJinja(source: string): Promise<JinjaTemplate> {
  const jinja = await import("@huggingface/jinja");
  const program = parse(jinja, source);
  const literals = rewriteProgram(program as unknown as Node, nodesOf(jinja));
  const render = (variables: Readonly<Record<string, unknown>>, now: Date): string => {
    const environment = new jinja.Environment();
    setGlobals(environment, now);
    for (const [name, value] of Object.entries(variables)) environment.set(name, value);
    return String(new jinja.Interpreter(environment).run(program).value);
  };
  return { literals, render };
}

function parse({ tokenize, parse }: Jinja, source: string) {
  return parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
}

function nodesOf(jinja: Jinja): Nodes {
  const [sample] = parse(jinja, "{{ f('') }}").body as unknown as [
    Node & { callee: Node; args: [Node] },
  ];
  const make = (node: Node, ...fields: unknown[]) =>
    Reflect.construct(node.constructor as new () => Node, fields);
  return {
    call: (name, ...args) => make(sample, make(sample.callee, name), args),
    string: (value) => make(sample.args[0], value),
  };
}

function setGlobals(environment: InstanceType<Jinja["Environment"]>, now: Date): void {
  const constants = { true: true, false: false, none: null };
  for (const [name, value] of Object.entries(constants)) {
    environment.set(name, value);
    environment.set(name.charAt(0).toUpperCase() + name.slice(1), value);
  }
  environment.set("range", boundedRange);
  environment.set("strftime_now", (format: string) => strftime(now, format));
  environment.set(STRIP, strip);
  const refuse = environment.set("raise_exception", (message: unknown) => {
    throw new TemplateRefusal(String(message));
  });
  // A function that is set like the others sees bare values, no longer 1 and 1.0.
  const Callable = refuse.constructor as new (call: (args: Value[]) => Value) => Value;
  const Text = environment.set("", "").constructor as new (text: string) => Value;
  environment.setVariable(TEXT, new Callable(([value]) => new Text(textOf(value!))));
  environment.setVariable(TEXTS, new Callable(([value]) => textsOf(value!, Text)));
}
