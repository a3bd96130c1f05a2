// A disk on which the process dies at the n-th durable operation: before it is done, or after it was done but
// before anybody heard of it.
import type { FileHandle } from 'node:fs/promises'
import { RealDisk } from '../../src/lib/disk.ts'

export class Died extends Error {
  override readonly name = 'Died'
}

export class DyingDisk extends RealDisk {
  readonly #dieAt: number
  readonly #when: 'before' | 'after'
  readonly #countsStatements: boolean
  #count = 0
  #isDead = false
  /** What was being done when it died; null while it lives. */
  diedAt: string | null = null

  /** With `statements`, every statement within a transaction is an operation too. */
  constructor(dieAt: number, when: 'before' | 'after', { statements = false } = {}) {
    super()
    this.#countsStatements = statements
    this.#dieAt = dieAt
    this.#when = when
  }

  /** Does this operation kill? A dead process does nothing any more. */
  #isLast(name: string): boolean {
    if (this.#isDead) throw new Died(`dead since ${this.diedAt}`)
    this.#count++
    if (this.#count !== this.#dieAt) return false
    this.#isDead = true
    this.diedAt = `${this.#when} ${name} (${this.#count})`
    return true
  }

  protected override async perform<T>(name: string, operation: () => Promise<T>): Promise<T> {
    if (!this.#isLast(name)) return operation()
    if (this.#when === 'after') await closeIfOpen(await operation())
    throw new Died(this.diedAt!)
  }

  override step(name: string): void {
    // A step is a moment, with nothing done or not done at it: the round of `before` meets them all. After a statement
    // is before the next one, or before the commit.
    if (this.#when === 'after' || (name === 'statement' && !this.#countsStatements)) return
    if (this.#isLast(name)) throw new Died(this.diedAt!)
  }
}

/** The kernel closes a dead process's files. */
async function closeIfOpen(result: unknown): Promise<void> {
  if (typeof result === 'object' && result !== null && 'close' in result) await (result as FileHandle).close()
}
