/** The library with a vocabulary put in, against the library that reads the same vocabulary by itself. */
import { assert, assertEquals } from "@std/assert";
import * as library from "@huggingface/tokenizers";
import fc from "fast-check";
import { openEncoder } from "../../lib/model/tokenizer_encoder.ts";
import { parseTokenizerFile } from "../../lib/model/tokenizer_file.ts";
import { fixture } from "./fixtures.ts";

interface Json {
  readonly model: { readonly vocab: Record<string, number> };
  readonly added_tokens: object[];
}

/** Texts with many pieces of the vocabulary, added tokens and pieces of them. */
function texts(pieces: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: "grapheme", maxLength: 4 }));
  return fc.array(piece, { maxLength: 12 }).map((parts) => parts.join("").toWellFormed());
}

function idsOf(encoder: library.Tokenizer, text: string): number[] {
  return encoder.encode(text, { add_special_tokens: false }).ids;
}

/** The file, and the same with an added token that its vocabulary has not, whose parts are not merged. */
async function readJsons(name: string): Promise<Json[]> {
  const json: Json = JSON.parse(await Deno.readTextFile(fixture(`${name}/tokenizer.json`)));
  const more = { id: 5000, content: "e", special: false, normalized: false };
  return [json, { ...json, added_tokens: [...json.added_tokens, more] }];
}

for (const name of ["tokenizer_bytes", "tokenizer_fallback"]) {
  for (const added of [true, false]) {
    Deno.test(
      `openEncoder() gives the ids of the library's own reading: ${name}, ${
        added ? "with" : "without"
      } added tokens`,
      async () => {
        for (const json of await readJsons(name)) {
          const file = await parseTokenizerFile(json, {});
          const added_tokens = added ? json.added_tokens : [];
          const steps = { ...file.encoder, post_processor: null, decoder: null };
          const own = new library.Tokenizer({ ...steps, model: json.model, added_tokens }, {});
          const filled = openEncoder(library, file, added);
          const pieces = [...Object.keys(json.model.vocab), ...file.added.map((x) => x.content)];
          fc.assert(
            fc.property(texts(pieces), (text) => {
              assertEquals(idsOf(filled, text), idsOf(own, text));
            }),
            { seed: 1 },
          );
        }
      },
    );
  }
}

Deno.test("openEncoder() leaves the vocabulary of the file as it is", async () => {
  const [, json] = await readJsons("tokenizer_bytes");
  const file = await parseTokenizerFile(json, {});
  const before = new Map(file.vocabulary.ids);
  assertEquals(idsOf(openEncoder(library, file, true), "e"), [5000]);
  assert(idsOf(openEncoder(library, file, false), "e")[0] !== 5000);
  assertEquals(file.vocabulary.ids, before);
});
