// Ownership of a data directory: an exclusive transaction on a file of its own, which the kernel drops
// when the process dies, whatever kills it.
import { readFileSync, writeFileSync } from 'node:fs'
import Sqlite from 'better-sqlite3'
import { systemCode, UusError } from '../lib/errors.ts'

/** Held until disposed or until the process ends. Whoever drops the value may lose the lock with it. */
export interface DataLock extends Disposable {}

interface Owner {
  pid: number
  what: string
}

/**
 * Takes the lock at `path`, waiting up to `waitMs`. Throws DATA_IN_USE with the owner's name if it stays taken.
 * `what` tells others who holds it. A process must not open the same lock file twice.
 */
export function takeLock(path: string, what: string, waitMs: number): DataLock {
  let sqlite: Sqlite.Database
  try {
    sqlite = new Sqlite(path, { timeout: waitMs })
  } catch (error) {
    throw new UusError('DATA_UNUSABLE', `Cannot open ${path}`, {
      cause: error,
      hint: 'Run "uus init" as the user that owns the data directory',
    })
  }
  try {
    sqlite.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    sqlite.close()
    if (systemCode(error) !== 'SQLITE_BUSY') {
      throw new UusError('DATA_UNUSABLE', `Cannot lock ${path}`, {
        cause: error,
        hint: 'Check owner and disk',
      })
    }
    const owner = readOwner(path)
    const name = owner === null ? 'another process' : `${owner.what} (pid ${owner.pid})`
    throw new UusError('DATA_IN_USE', `The data directory is in use by ${name}`, {
      cause: error,
      hint: 'Wait until it is done, or stop it first',
    })
  }
  writeFileSync(`${path}.owner`, JSON.stringify({ pid: process.pid, what } satisfies Owner))
  return { [Symbol.dispose]: () => sqlite.close() }
}

function readOwner(path: string): Owner | null {
  try {
    return JSON.parse(readFileSync(`${path}.owner`, 'utf8')) as Owner
  } catch {
    return null // the name is a courtesy; who holds the lock does not depend on it
  }
}
