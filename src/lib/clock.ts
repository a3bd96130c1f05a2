// Time as a dependency: the core takes `now` as an argument, the edges hold a Clock, tests hold a fake one.

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  async sleep(ms, signal) {
    const { setTimeout } = await import('node:timers/promises')
    await setTimeout(ms, undefined, signal === undefined ? {} : { signal })
  },
}
