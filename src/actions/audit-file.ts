// The audit log as a file, written and read in pieces. Both formats hold every row as it was hashed, and the signed
// checkpoints; docs/format.md describes them.
import { createReadStream } from 'node:fs'
import { MalformedError, systemCode, UusError } from '../lib/errors.ts'
import type { Entry } from '../repo/audit/entry.ts'
import type { AuditInput, AuditPage, LogInfo } from './audit.ts'
import { csvOpening, readCsv, writeCsv } from './audit-csv.ts'
import { jsonOpening, readJson, writeJson } from './audit-json.ts'

export type AuditFormat = 'json' | 'csv'

/** An exported file: what it says of itself, then its entries. */
export interface AuditFile {
  readonly log: LogInfo
  readonly entries: AsyncIterable<readonly Entry[]>
}

/** All pages of an account, each read when it is asked for. */
export async function* auditPages(
  call: (input: Partial<AuditInput>) => Promise<AuditPage>,
  input: Partial<AuditInput>,
): AsyncGenerator<AuditPage> {
  for (let next: Partial<AuditInput> | null = input; next !== null; ) {
    const page: AuditPage = await call(next)
    yield page
    next = page.next
  }
}

/** The text of an export, in pieces. The pages must be with proof. */
export function exportText(format: AuditFormat, pages: AsyncIterable<AuditPage>): AsyncGenerator<string> {
  return format === 'json' ? writeJson(pages) : writeCsv(pages)
}

/** Opens an export. MALFORMED, also later while its entries are read; UNKNOWN_NAME where there is no such file. */
export async function openAuditFile(path: string): Promise<AuditFile> {
  const chunks = readText(path)
  const { value } = await chunks.next()
  const first = value ?? ''
  if (first.startsWith(jsonOpening)) return readJson(path, joined(first, chunks))
  if (first.startsWith(csvOpening)) return readCsv(path, joined(first, chunks))
  await chunks.return(undefined)
  throw new MalformedError(path, 'this is no export of the audit log', {
    hint: 'Make one: uus audit --format json --output FILE',
  })
}

async function* readText(path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const decode = (chunk?: Buffer) => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined })
    } catch (error) {
      throw new MalformedError(path, 'this is not UTF-8', { cause: error })
    }
  }
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 18 }))
      yield decode(chunk as Buffer)
  } catch (error) {
    if (error instanceof UusError || systemCode(error) === undefined) throw error
    throw new UusError('UNKNOWN_NAME', `Cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
      hint: 'Name a file that "uus audit --format json" or "--format csv" wrote',
    })
  }
  yield decode()
}

async function* joined(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first
  yield* rest
}
