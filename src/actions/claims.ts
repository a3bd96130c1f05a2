// Reading the changelogs of what waits before anybody asks: for channels that fetch packages beforehand, or whose rules
// match on what changelogs claim.

import { UusError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { bringsVersion } from '../repo/classify.ts'
import { listPending } from '../repo/pending.ts'
import { scopeTo } from '../repo/scope.ts'
import type { ClaimKey, Claims } from '../store/claims.ts'
import { type Call, quietStep, readStep, type ServerContext } from './action.ts'
import { type ChangelogFacts, type ChangelogQuestion, changelogOf, changelogQuestion } from './changelog.ts'
import { upkeepStep } from './update.ts'

export interface ClaimQuestion {
  readonly key: ClaimKey
  readonly question: ChangelogQuestion
}

const atATime = 20

/** What is to be read, at most so much at a time. */
export const unreadClaimsStep = readStep<Record<string, never>, ClaimQuestion[]>(
  'unread-claims',
  ({ repo, config }) => {
    const wanted = config.channels.filter(
      ({ prefetch, rules, follows }) =>
        !follows && (prefetch !== 'none' || rules.some(({ claims }) => claims !== null)),
    )
    const found: ClaimQuestion[] = []
    for (const { name } of wanted) {
      const channel = repo.store.channels.find(name)
      if (channel === null) continue
      for (const item of listPending(scopeTo(repo, channel))) {
        if (found.length >= atATime) return found
        const question = item.claims === null && bringsVersion(item.kind) ? changelogQuestion(item) : null
        if (question !== null) found.push({ key: claimKey(item), question })
      }
    }
    return found
  },
)

export function claimKey({
  archiveId,
  source,
  version,
  from,
}: {
  archiveId: number
  source: string
  version: string
  from: string | null
}): ClaimKey {
  return { archiveId, source, version, since: from }
}

const keptMs = 400 * 86_400_000

export const recordClaimsStep = quietStep<
  readonly { readonly key: ClaimKey; readonly facts: ChangelogFacts }[],
  void
>('record-claims', ({ repo }, found) => {
  const { store, clock } = repo
  store.db.write((tx) => {
    for (const { key, facts } of found) store.claims.record(tx, key, claimsOf(facts), clock.now())
    store.claims.forget(tx, clock.now() - keptMs)
  })
})

export function claimsOf({ entries, claimedCves, problem }: ChangelogFacts): Claims {
  return { entries: entries.length, urgency: entries[0]?.urgency ?? null, cves: claimedCves, problem }
}

export const claimSteps = [unreadClaimsStep, recordClaimsStep] as const

/** Reads what is to be read, and lets in what rules let in on account of it. How many were read. */
export async function readClaims(context: ServerContext, call: Call): Promise<number> {
  let count = 0
  for (;;) {
    const questions = await context.jobs.run(unreadClaimsStep, {}, call)
    if (questions.length === 0) break
    const found = []
    for (const { key, question } of questions)
      found.push({ key, facts: await changelogOf(context, question, call) })
    await context.jobs.run(recordClaimsStep, found, call)
    count += questions.length
  }
  const usesClaims = context.config.channels.some(({ rules }) => rules.some(({ claims }) => claims !== null))
  if (count > 0 && usesClaims) await context.jobs.run(upkeepStep, {}, call)
  return count
}

const settleMs = 2000

/** In a server: looks when something changed. */
export class ClaimReader implements AsyncDisposable {
  readonly #context: ServerContext
  readonly #call: Call
  readonly #log: Log
  #timer: NodeJS.Timeout | null = null
  #work: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(context: ServerContext, call: Call, log: Log) {
    this.#context = context
    this.#call = call
    this.#log = log
  }

  changed(): void {
    if (this.#isStopped || this.#timer !== null) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#work = this.#work.then(() => this.#read())
    }, settleMs).unref()
  }

  async #read(): Promise<void> {
    if (this.#isStopped) return
    try {
      await readClaims(this.#context, this.#call)
    } catch (error) {
      this.#log('warn', `Changelogs: ${UusError.from(error).message}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#work
  }
}
