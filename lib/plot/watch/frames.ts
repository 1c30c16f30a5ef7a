/** Milliseconds between two frames: no second sees more than eight, the last one included. */
const FRAME_MS = 150;
/** Showing may take at most this share of the time. */
const SHARE = 0.1;

/** Shows the latest state of something that changes fast: rarely enough, and never two states at once. */
export class Frames {
  readonly #show: () => Promise<void>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #showing: Promise<void> | null = null;
  #changed = false;
  #due = 0;
  #failure: { readonly error: unknown } | null = null;

  /** Frames that `show` shows. */
  constructor(show: () => Promise<void>) {
    this.#show = show;
  }

  /** Says that there is something new: it will be shown, unless something newer comes before. */
  changed(): void {
    this.#changed = true;
    if (this.#timer !== undefined || this.#showing || this.#failure) return;
    const wait = Math.max(0, this.#due - performance.now());
    this.#timer = setTimeout(() => void this.#turn(), wait);
  }

  /** Ends the frames: what is being shown is shown, nothing comes after it. Throws what showing threw. */
  async finish(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#changed = false;
    await this.#showing;
    if (this.#failure) throw this.#failure.error;
  }

  async #turn(): Promise<void> {
    this.#timer = undefined;
    this.#changed = false;
    this.#showing = this.#frame();
    await this.#showing;
    this.#showing = null;
    if (this.#changed) this.changed();
  }

  async #frame(): Promise<void> {
    const began = performance.now();
    try {
      await this.#show();
    } catch (error) {
      this.#failure = { error };
    }
    const ms = performance.now() - began;
    this.#due = began + Math.max(FRAME_MS, ms / SHARE);
  }
}
