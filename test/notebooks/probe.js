// Evaluated in the kernel before the first cell. Watches what prints and displays, and reports output that comes from
// a cell which no longer runs: a front end shows it in whichever cell runs then.
await (async () => {
  const { AsyncLocalStorage } = await import("node:async_hooks");
  const { broadcast } = Deno.jupyter;
  const cells = new AsyncLocalStorage();
  let running = null;

  /** Reports calls of `owner[name]` by a cell that ended, unless `isOutput` says that the call shows nothing new. */
  function watch(owner, name, isOutput = () => true) {
    const original = owner[name];
    owner[name] = function (...args) {
      const from = cells.getStore();
      if (from !== undefined && from !== running && isOutput(...args)) {
        broadcast("longlens_stray", { from, into: running });
      }
      return original.apply(this, args);
    };
  }

  for (const name of Object.keys(console)) {
    if (typeof console[name] === "function") watch(console, name);
  }
  watch(Deno.jupyter, "display", (_object, options) => !options?.update);
  watch(Deno.jupyter, "broadcast", (kind) => ["display_data", "stream"].includes(kind));

  globalThis[Symbol.for("longlens.cells")] = {
    enter(cell) {
      cells.enterWith(cell);
      running = cell;
    },
    leave() {
      running = null;
      broadcast("longlens_left", {});
    },
  };
})();
