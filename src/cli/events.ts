// Events while a command runs: lines on stderr, and a progress line where there is a terminal.
import type { Event } from '../lib/events.ts'
import { formatDuration, formatSize } from '../lib/units.ts'
import type { Output } from './output.ts'

const redrawMs = 100
/** Without a terminal a line now and then says that it is still going. */
const plainLineMs = 5000

export class EventPrinter {
  readonly #out: Output
  readonly #now: () => number
  readonly #fetches = new Map<string, { doneBytes: number; totalBytes: number }>()
  #startedAt = 0
  #drawnAt = 0
  #hasLine = false

  constructor(out: Output, now: () => number) {
    this.#out = out
    this.#now = now
  }

  readonly emit = (event: Event): void => {
    if (event.type === 'fetch-progress') {
      this.#progress(event)
      return
    }
    const text = this.#describe(event)
    if (text === null) return
    this.#clear()
    this.#out.line(text)
  }

  /** Removes the progress line. */
  end(): void {
    this.#clear()
  }

  #describe(event: Exclude<Event, { type: 'fetch-progress' }>): string | null {
    switch (event.type) {
      case 'suite-fetching':
        return `${event.archive}/${event.suite}: fetching ${formatSize(event.totalBytes)} of indexes`
      case 'suite-checked':
        return event.outcome === 'unchanged'
          ? this.#out.dim(`${event.archive}/${event.suite}: unchanged`)
          : `${event.archive}/${event.suite}: every mirror lags behind what is held; nothing changed`
      case 'suite-adopted':
        return `${event.archive}/${event.suite}: adopted, ${counts(event.entered, event.left)}`
      case 'suite-failed':
        return [
          `${this.#out.style('red', 'failed')} ${event.archive}/${event.suite}: ${event.error.message}`,
          ...(event.error.hint === undefined ? [] : [`  → ${event.error.hint}`]),
        ].join('\n')
      case 'snapshot':
        return event.channel === 'upstream'
          ? null
          : `${event.channel}: snapshot ${event.id} (${event.kind}), ${counts(event.entered, event.left)}`
      case 'alarm':
        return [
          `${this.#out.style('yellow', 'alarm')} ${event.message}`,
          ...(event.hint === undefined ? [] : [`  → ${event.hint}`]),
        ].join('\n')
      case 'note':
        return event.message
    }
  }

  #progress(event: Extract<Event, { type: 'fetch-progress' }>): void {
    const now = this.#now()
    if (this.#fetches.size === 0) {
      this.#startedAt = now
      this.#drawnAt = now
    }
    this.#fetches.set(event.label, event)
    const isTerminal = this.#out.stream.isTTY === true
    if (now - this.#drawnAt < (isTerminal ? redrawMs : plainLineMs)) return
    this.#drawnAt = now
    const text = this.#progressText(now)
    if (!isTerminal) {
      this.#out.line(text)
      return
    }
    this.#out.stream.write(`\r${text.slice(0, (this.#out.stream.columns ?? 80) - 1)}\x1b[K`)
    this.#hasLine = true
  }

  #progressText(now: number): string {
    const all = [...this.#fetches.values()]
    const done = all.reduce((sum, one) => sum + one.doneBytes, 0)
    const total = all.reduce((sum, one) => sum + one.totalBytes, 0)
    const rate = (done / Math.max(1, now - this.#startedAt)) * 1000
    const rest = rate > 0 ? `, ${formatDuration((total - done) / rate)} left` : ''
    const share = total === 0 ? 100 : Math.floor((done / total) * 100)
    return `fetching indexes: ${share} % of ${formatSize(total)}, ${formatSize(rate)}/s${rest}`
  }

  #clear(): void {
    if (!this.#hasLine) return
    this.#out.stream.write('\r\x1b[K')
    this.#hasLine = false
  }
}

function counts(entered: number, left: number): string {
  if (entered === 0 && left === 0) return 'no package changed'
  return `${entered} in, ${left} out`
}
