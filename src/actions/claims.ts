// Reading the changelogs of what waits before anybody asks: for channels that fetch packages beforehand, or whose rules
// match on what changelogs claim.
import { UusError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { Repeated } from '../lib/repeated.ts'
import { bringsVersion } from '../repo/classify.ts'
import { listPending } from '../repo/pending.ts'
import type { PendingItem } from '../repo/pending-item.ts'
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

/** What is to be read, at most so much at a time; not what was tried already. */
export const unreadClaimsStep = readStep<{ readonly tried: readonly ClaimKey[] }, ClaimQuestion[]>(
  'unread-claims',
  ({ repo, config }, { tried }) => {
    const isTried = new Set(tried.map(textOf))
    const wanted = config.channels.filter(
      ({ prefetch, rules, follows }) => !follows && (prefetch !== 'none' || rules.some(isAboutClaims)),
    )
    const found: ClaimQuestion[] = []
    for (const { name } of wanted) {
      const channel = repo.store.channels.find(name)
      if (channel === null) continue
      for (const item of listPending(scopeTo(repo, channel))) {
        if (found.length >= atATime) return found
        const key = claimKey(item)
        if (item.claims !== null || !bringsVersion(item.kind) || isTried.has(textOf(key))) continue
        const question = changelogQuestion(item)
        if (question !== null) found.push({ key, question })
      }
    }
    return found
  },
)

function isAboutClaims({ claims }: { readonly claims: string | null }): boolean {
  return claims !== null
}

function textOf({ archiveId, source, version, since }: ClaimKey): string {
  return `${archiveId} ${source} ${version} ${since ?? ''}`
}

export function claimKey({
  archiveId,
  source,
  version,
  from,
}: Pick<PendingItem, 'archiveId' | 'source' | 'version' | 'from'>): ClaimKey {
  return { archiveId, source, version, since: from }
}

const keptMs = 400 * 86_400_000

export interface ReadClaim {
  readonly key: ClaimKey
  readonly facts: ChangelogFacts
}

export const recordClaimsStep = quietStep<readonly ReadClaim[], void>('record-claims', ({ repo }, found) => {
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

/**
 * Reads what is to be read, each once, and lets in what rules let in on account of it. How many were read; what could
 * not be had now is left for the next time.
 */
export async function readClaims(
  context: ServerContext,
  call: Call,
  isStopped: () => boolean = () => false,
): Promise<number> {
  const tried: ClaimKey[] = []
  let count = 0
  for (;;) {
    const questions = await context.jobs.run(unreadClaimsStep, { tried }, call)
    if (questions.length === 0) break
    const found: ReadClaim[] = []
    for (const { key, question } of questions) {
      const facts = await changelogOf(context, question, call)
      if (isStopped()) return count
      tried.push(key)
      if (!facts.isTransient) found.push({ key, facts })
    }
    if (found.length > 0) await context.jobs.run(recordClaimsStep, found, call)
    count += found.length
  }
  const usesClaims = context.config.channels.some(({ rules }) => rules.some(isAboutClaims))
  if (count > 0 && usesClaims) await context.jobs.run(upkeepStep, {}, call)
  return count
}

const settleMs = 2000

/** In a server: looks when something changed. */
export class ClaimReader implements Disposable {
  readonly #context: ServerContext
  readonly #call: Call
  readonly #log: Log
  readonly #reading = new Repeated(() => this.#read())
  #timer: NodeJS.Timeout | null = null
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
      this.#reading.wake()
    }, settleMs).unref()
  }

  async #read(): Promise<void> {
    try {
      await readClaims(this.#context, this.#call, () => this.#isStopped)
    } catch (error) {
      if (!this.#isStopped) this.#log('warn', `Changelogs: ${UusError.from(error).message}`)
    }
  }

  /** What is being fetched ends with the fetches, which are closed later; nothing of it is written down any more. */
  [Symbol.dispose](): void {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }
}
