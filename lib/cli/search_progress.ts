import type { HeadSearchProgress } from "../heads/layer_search.ts";
import { duration } from "./format.ts";
import { ProgressLine } from "./progress_line.ts";

/** Shows how far a search of heads is, and how long it will take, while `work` goes on. */
export async function withSearchProgress<T>(
  work: (onProgress: (progress: HeadSearchProgress) => void) => Promise<T>,
): Promise<T> {
  const line = new ProgressLine();
  const [began, first] = [performance.now(), { done: -1 }];
  try {
    return await work(({ done, total, what }) => {
      if (first.done < 0) first.done = done - 1;
      const each = (performance.now() - began) / (done - first.done);
      line.update(done / total, `${duration(each * (total - done))} left  ${what}`);
    });
  } finally {
    line.clear();
  }
}
