/** The tasks, by the names of the command line. */
import type { Task } from "../task.ts";
import { copying } from "./copying.ts";
import { keeper } from "./keeper.ts";
import { keyValue } from "./key_value.ts";
import { labelled } from "./labelled.ts";
import { magicNumber, magicNumberHeldOut } from "./magic_number.ts";
import { multiDocument } from "./multi_document.ts";
import { multiKey } from "./multi_key.ts";
import { multiValue } from "./multi_value.ts";
import { passKey, passKeyHeldOut } from "./pass_key.ts";

/** All tasks whose texts are made, not read. */
export const TASKS: readonly Task[] = [
  passKey,
  passKeyHeldOut,
  magicNumber,
  magicNumberHeldOut,
  keeper,
  keyValue,
  labelled,
  multiKey(),
  multiValue(),
  multiDocument,
  copying(),
];
