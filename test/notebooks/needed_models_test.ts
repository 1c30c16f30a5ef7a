import { assertEquals } from "@std/assert";
import { inFolder } from "../in_folder.ts";
import { missingModels } from "./needed_models.ts";
import { codeNotebook, type Notebook } from "./notebook.ts";

function notebookOf(...models: string[]): Notebook {
  const notebook = codeNotebook("1");
  return { ...notebook, metadata: { ...notebook.metadata, longlens: { models } } };
}

Deno.test("missingModels() names the models that are not in the folder", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/a.gguf`, "");
    assertEquals(await missingModels(notebookOf("a.gguf"), folder), null);
    assertEquals(
      await missingModels(notebookOf("a.gguf", "b.gguf", "c.gguf"), folder),
      "needs b.gguf and c.gguf: not in LONGLENS_TEST_MODELS",
    );
  }));

Deno.test("missingModels() says that no folder is named, and lets notebooks without models pass", async () => {
  assertEquals(
    await missingModels(notebookOf("a.gguf"), null),
    "needs a.gguf: LONGLENS_TEST_MODELS names no folder",
  );
  assertEquals(await missingModels(codeNotebook("1"), null), null);
});
