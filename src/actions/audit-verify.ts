// `uus audit verify`: proves that nothing in the audit log was changed, removed or put in. Local: it needs no server,
// and for an exported file nothing but that file and the public key.
import { readFileSync } from 'node:fs'
import { UusError } from '../lib/errors.ts'
import { formatIso } from '../lib/units.ts'
import { type Account, type ChainReport, checkChain, type Seen } from '../repo/audit/check.ts'
import { type CheckpointEntry, type Entry, takeBefore } from '../repo/audit/entry.ts'
import { type Problem, problem } from '../repo/audit/problem.ts'
import { Store } from '../store/store.ts'
import { type Keyring, readKeyring } from '../trust/keyring.ts'
import type { Outcome } from './action.ts'
import type { FilterEcho } from './audit.ts'
import { openAuditFile } from './audit-file.ts'

export interface VerifyOrder {
  /** An export, or a catalogue. */
  readonly source: { readonly file: string } | { readonly catalogue: string }
  /** A file with the public keys; null: those of the catalogue itself. */
  readonly keyFile: string | null
  /** `SEQUENCE:HEAD` that were noted earlier. */
  readonly seen: readonly string[]
}

export interface VerifyResult extends Outcome {
  readonly source: string
  readonly isExport: boolean
  readonly origin: string | null
  /** Not null: it holds only a part of the log. */
  readonly filter: FilterEcho | null
  readonly rows: number
  readonly firstRow: number | null
  readonly lastRow: number | null
  /** Rows that a signature stands for. */
  readonly provedRows: number
  readonly provedThrough: number | null
  /** The first row that is chained to those before, but that no checkpoint covers. */
  readonly firstUnproved: number | null
  readonly checkpoints: number
  readonly newestCheckpoint: string | null
  readonly signedBy: readonly string[]
  /** The keys were given, and not taken from the very database that was verified. */
  readonly hasOwnKeys: boolean
  readonly problem: Problem | null
}

export async function verifyAudit(order: VerifyOrder): Promise<VerifyResult> {
  const seen = readSeen(order.seen)
  if ('catalogue' in order.source) return verifyCatalogue(order.source.catalogue, order.keyFile, seen)
  return verifyFile(order.source.file, order.keyFile, seen)
}

async function verifyFile(path: string, keyFile: string | null, seen: Seen): Promise<VerifyResult> {
  if (keyFile === null) {
    throw new UusError('USAGE', 'To verify an export, its key is needed', {
      hint: 'Get it once, by a way that you trust: "uus key export audit" on the server; then --key FILE',
    })
  }
  const keyring = await readKeyFile(keyFile)
  const { log, entries } = await openAuditFile(path)
  const account = { entries, isWhole: log.filter === null, origin: log.origin, through: log.through }
  const report = await checkChain(account, keyring, seen)
  const found = report.problem ?? withoutProof(report)
  return {
    ...describe(report, found),
    source: path,
    isExport: true,
    origin: log.origin,
    filter: log.filter,
    hasOwnKeys: true,
  }
}

/** A file that nothing signed stands in proves nothing: anybody can write one. */
function withoutProof(report: ChainReport): Problem | null {
  if (report.rows === 0 || report.provedRows > 0) return null
  return problem('unproved', report.first, 'No checkpoint covers any row: nothing here is proved')
}

async function verifyCatalogue(path: string, keyFile: string | null, seen: Seen): Promise<VerifyResult> {
  using store = Store.openReader(path)
  const keyring = keyFile === null ? await ownKeys(store) : await readKeyFile(keyFile)
  const account = readAccount(store)
  const report = await checkChain(account, keyring, seen)
  return {
    ...describe(report, report.problem ?? guardsOf(store)),
    source: path,
    isExport: false,
    origin: account.origin,
    filter: null,
    hasOwnKeys: keyFile !== null,
  }
}

/** The log up to its present end; what is written meanwhile stays out. */
function readAccount(store: Store): Account {
  return store.db.read(() => ({
    entries: readEntries(store, store.audit.last()?.sequence ?? 0, store.checkpoints.newest()?.sequence ?? 0),
    isWhole: true,
    origin: store.settings.get('audit-origin'),
    through: store.audit.last()?.sequence ?? 0,
  }))
}

const rowsAtOnce = { count: 1000, maxBytes: 1 << 22 }

async function* readEntries(
  store: Store,
  last: number,
  lastCheckpoint: number,
): AsyncGenerator<readonly Entry[]> {
  for (let after = Number.MIN_SAFE_INTEGER; ; ) {
    const rows = store.db.read(() => store.audit.rows({}, { first: after + 1, last }, rowsAtOnce))
    const end = rows.at(-1)?.sequence
    const checkpoints = store.db.read(() => store.checkpoints.list(after + 1, end ?? lastCheckpoint))
    const waiting: CheckpointEntry[] = checkpoints.map((one) => ({ kind: 'checkpoint', ...one }))
    const entries = rows.flatMap(({ leaf, ...row }): Entry[] => [
      ...takeBefore(waiting, row.sequence),
      { kind: 'row', row, previous: null, storedLeaf: leaf },
    ])
    yield [...entries, ...waiting]
    if (end === undefined) return
    after = end
  }
}

function guardsOf(store: Store): Problem | null {
  const [name] = store.audit.missingGuards()
  if (name === undefined) return null
  return problem('guards', null, `The database lacks the trigger ${name}: somebody made the log changeable`)
}

async function ownKeys(store: Store): Promise<Keyring> {
  const keys = store.checkpoints.keys()
  if (keys.length === 0) return { keys: [], places: [] }
  return readKeyring(
    keys.map((key) => ({
      path: `key ${key.fingerprint} of the catalogue`,
      bytes: Buffer.from(key.publicKey),
    })),
  )
}

function readKeyFile(path: string): Promise<Keyring> {
  try {
    return readKeyring([{ path, bytes: readFileSync(path) }])
  } catch (error) {
    throw new UusError('KEYRING_UNREADABLE', `Cannot read the key ${path}: ${(error as Error).message}`, {
      cause: error,
      hint: 'Name a file that "uus key export audit" wrote',
    })
  }
}

function readSeen(texts: readonly string[]): Seen {
  return new Map(
    texts.map((text) => {
      const [, sequence, head] = /^(\d+):([0-9a-f]{64})$/.exec(text) ?? []
      if (sequence !== undefined) return [Number(sequence), head!]
      throw new UusError('USAGE', `--seen ${text}: this is no row with its hash`, {
        hint: 'Use SEQUENCE:HEAD, as /healthz showed them',
      })
    }),
  )
}

function describe(report: ChainReport, found: Problem | null) {
  return {
    status: found === null ? ('done' as const) : ('failed' as const),
    rows: report.rows,
    firstRow: report.first,
    lastRow: report.last,
    provedRows: report.provedRows,
    provedThrough: report.provedThrough,
    firstUnproved: report.firstUnproved,
    checkpoints: report.checkpoints,
    newestCheckpoint: report.newestAt === null ? null : formatIso(report.newestAt),
    signedBy: report.signedBy,
    problem: found,
  }
}
