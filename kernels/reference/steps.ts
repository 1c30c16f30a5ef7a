/**
 * An operation that can be paused and stopped: it yields after each small piece of work (about a row, or 64 outputs
 * of a matrix product). Whoever runs it decides whether to go on.
 */
export type Steps = Generator<void, void, void>;
