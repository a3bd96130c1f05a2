// An act that is done again when there is reason to: never twice at a time, and once for all reasons that came meanwhile.

/** Runs an act, which must not fail, once for any number of wakes while it ran before. */
export class Repeated {
  readonly #act: () => Promise<void>
  #isDue = false
  #running: Promise<void> | null = null

  constructor(act: () => Promise<void>) {
    this.#act = act
  }

  wake(): void {
    this.#isDue = true
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    while (this.#isDue) {
      this.#isDue = false
      await this.#act()
    }
    this.#running = null
  }

  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running
  }
}
