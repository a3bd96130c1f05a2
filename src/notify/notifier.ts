// Brings notices to their receivers, in the server: looks what there is to tell when something changed, and delivers what
// is due, at least once, each target by itself so that a slow one keeps no other back.
import type { Call, JobsPort } from '../actions/action.ts'
import {
  collectNoticesStep,
  type DeliveryOutcome,
  dueNoticesStep,
  settleNoticesStep,
  type TargetEvents,
} from '../actions/notices.ts'
import type { Config } from '../config/config.ts'
import type { NoticeTarget } from '../config/notify.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Delivery } from '../store/notices.ts'
import { sendMail } from './mail.ts'
import { sendWebhook } from './webhook.ts'

export interface Sending {
  readonly id: string
  readonly body: string
  /** When it is sent; milliseconds. */
  readonly at: number
}

export interface SendOutcome {
  /** Null: the receiver has it. */
  readonly error: string | null
  /** Trying again is of no use. */
  readonly isFinal: boolean
}

export interface NotifierParts {
  readonly targets: readonly NoticeTarget[]
  readonly log: Log
  collect(targets: readonly TargetEvents[]): Promise<void>
  due(): Promise<readonly Delivery[]>
  settle(outcomes: readonly DeliveryOutcome[]): Promise<void>
  now(): number
}

/** Null where nobody is to be told anything. */
export function openNotifier(
  { notices }: Pick<Config, 'notices'>,
  jobs: JobsPort,
  clock: Clock,
  log: Log,
): Notifier | null {
  if (notices.length === 0) return null
  const call: Call = { actor: { name: 'uus', via: 'schedule' }, emit: () => {} }
  return new Notifier({
    targets: notices,
    log,
    now: () => clock.now(),
    collect: (targets) => jobs.run(collectNoticesStep, targets, call),
    due: () => jobs.run(dueNoticesStep, { limit: 100 }, call),
    settle: (outcomes) => jobs.run(settleNoticesStep, outcomes, call),
  })
}

/** Commits come in rows; and to look costs the jobs process some tenths of a second. */
const settleMs = 2000
const atMostEveryMs = 10_000
const tickMs = 5000

export class Notifier implements Disposable {
  readonly #parts: NotifierParts
  #timer: NodeJS.Timeout | null = null
  #ticker: NodeJS.Timeout | null = null
  #lookedAt = 0
  #work: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(parts: NotifierParts) {
    this.#parts = parts
  }

  start(): void {
    this.#ticker = setInterval(() => this.#queue(() => this.deliver()), tickMs).unref()
    // At once: from here on what happens is news.
    this.#queue(() => this.look())
  }

  /** Something was committed: there may be something to tell. */
  changed(): void {
    if (this.#isStopped || this.#timer !== null || this.#ticker === null) return
    const wait = Math.max(settleMs, this.#lookedAt + atMostEveryMs - Date.now())
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#queue(() => this.look())
    }, wait).unref()
  }

  #queue(act: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#isStopped) return
      try {
        await act()
      } catch (error) {
        if (!this.#isStopped) this.#parts.log('error', `Notices: ${(error as Error).message}`)
      }
    })
  }

  async look(): Promise<void> {
    this.#lookedAt = Date.now()
    await this.#parts.collect(this.#parts.targets.map(({ name, events }) => ({ name, events })))
    await this.deliver()
  }

  /** Sends what is due, once. */
  async deliver(): Promise<void> {
    const due = await this.#parts.due()
    if (due.length === 0) return
    const byTarget = Map.groupBy(due, ({ target }) => target)
    const outcomes = await Promise.all([...byTarget].map(([name, list]) => this.#deliverTo(name, list)))
    if (!this.#isStopped) await this.#parts.settle(outcomes.flat())
  }

  /** In their order. Where one cannot be brought now, those behind it wait as well. */
  async #deliverTo(name: string, list: readonly Delivery[]): Promise<DeliveryOutcome[]> {
    const target = this.#parts.targets.find((one) => one.name === name)
    if (target === undefined) return []
    const outcomes: DeliveryOutcome[] = []
    for (const { notice, attempts } of list) {
      const { error, isFinal } = await this.#send(target, {
        id: notice.id,
        body: notice.body,
        at: this.#parts.now(),
      })
      outcomes.push({ noticeId: notice.id, target: name, attempts, error, isFinal })
      if (error === null) continue
      this.#parts.log('warn', `A notice to ${name} failed: ${error}`, { notice: notice.id })
      break
    }
    return outcomes
  }

  async #send(target: NoticeTarget, sending: Sending): Promise<SendOutcome> {
    try {
      return target.type === 'webhook' ? await sendWebhook(target, sending) : await sendMail(target, sending)
    } catch (error) {
      return { error: (error as Error).message, isFinal: false }
    }
  }

  /** A receiver that is slow to answer holds nobody up: it gets the notice again, under the same id. */
  [Symbol.dispose](): void {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#ticker !== null) clearInterval(this.#ticker)
  }
}
