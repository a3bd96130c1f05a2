// The audit log as JSON: one document whose lines hold one element each, so that it is written and read in pieces.
import { canonicalJson } from '../lib/canonical-json.ts'
import { type CheckpointEntry, type Entry, sequenceOf, takeBefore } from '../repo/audit/entry.ts'
import { type AuditItem, type AuditPage, type CheckpointItem, type OmittedItem, toEntry } from './audit.ts'
import type { AuditFile } from './audit-file.ts'
import { checkpointShape, logJson, maxLineChars, omittedShape, Place, rowShape } from './audit-place.ts'

export const jsonOpening = '{"status":"done","log":'
const checkpointsOpening = ',"checkpoints":['
const itemsOpening = '],"items":['
const ending = ']}'

export async function* writeJson(pages: AsyncIterable<AuditPage>): AsyncGenerator<string> {
  let hasBegun = false
  let hasItems = false
  for await (const page of pages) {
    if (!hasBegun) yield beginning(page)
    hasBegun = true
    if (page.items.length === 0) continue
    yield (hasItems ? ',\n' : '\n') + page.items.map(itemJson).join(',\n')
    hasItems = true
  }
  yield `\n${ending}\n`
}

function beginning({ log, checkpoints }: AuditPage): string {
  const elements = checkpoints.map((one) => `\n${checkpointJson(one)}`)
  return `${jsonOpening}${logJson(log)}${checkpointsOpening}${elements.join(',')}\n${itemsOpening}`
}

function checkpointJson(item: CheckpointItem): string {
  return canonicalJson({ ...item })
}

function itemJson(item: AuditItem | OmittedItem): string {
  return canonicalJson({ ...item })
}

/** MALFORMED, also later while the entries are read. */
export async function readJson(path: string, chunks: AsyncIterable<string>): Promise<AuditFile> {
  const lines = new Lines(path, chunks)
  const first = await lines.next()
  if (!first.startsWith(jsonOpening) || !first.endsWith(checkpointsOpening)) throw lines.malformed()
  const log = lines.readLog(first.slice(jsonOpening.length, -checkpointsOpening.length))
  const checkpoints: CheckpointItem[] = []
  for (;;) {
    const element = await lines.nextElement(itemsOpening)
    if (element === null) break
    checkpoints.push(lines.read(checkpointShape, element, checkpointJson))
  }
  return { log, entries: readItems(lines, checkpoints) }
}

async function* readItems(
  lines: Lines,
  checkpoints: readonly CheckpointItem[],
): AsyncGenerator<readonly Entry[]> {
  const waiting: CheckpointEntry[] = checkpoints.map((one) => ({ kind: 'checkpoint', ...one }))
  let entries: Entry[] = []
  for (;;) {
    const element = await lines.nextElement(ending)
    if (element === null) break
    const entry = toEntry(readItem(lines, element))
    entries.push(...takeBefore(waiting, sequenceOf(entry)), entry)
    if (!lines.isUsedUp) continue
    yield entries
    entries = []
  }
  await lines.end()
  yield [...entries, ...waiting]
}

function readItem(lines: Lines, text: string): AuditItem | OmittedItem {
  if (text.startsWith('{"leaf":')) return lines.read(omittedShape, text, itemJson)
  return lines.read(rowShape, text, itemJson)
}

class Lines extends Place {
  readonly #chunks: AsyncIterator<string>
  #ready: string[] = []
  #at = 0
  #rest = ''
  /** Whether the element before ended with a comma; null where it was none. */
  #hasComma: boolean | null = null

  constructor(path: string, chunks: AsyncIterable<string>) {
    super(path, 'line')
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** The next line comes with the next chunk. */
  get isUsedUp(): boolean {
    return this.#at >= this.#ready.length
  }

  async next(): Promise<string> {
    this.number++
    while (this.isUsedUp) {
      const { value, done } = await this.#chunks.next()
      if (done === true || this.#rest.length > maxLineChars)
        throw this.malformed('ends in the middle: the file was cut off')
      // U+2028, which may stand inside JSON, is no end of a line.
      this.#ready = `${this.#rest}${value}`.split('\n')
      this.#rest = this.#ready.pop()!
      this.#at = 0
    }
    return this.#ready[this.#at++]!
  }

  /** The next element of a list, without its comma; null where the list ends. */
  async nextElement(end: string): Promise<string | null> {
    const line = await this.next()
    const isEnd = line === end
    if (isEnd ? this.#hasComma === true : this.#hasComma === false) throw this.malformed()
    this.#hasComma = isEnd ? null : line.endsWith(',')
    if (isEnd) return null
    return this.#hasComma ? line.slice(0, -1) : line
  }

  /** Nothing may follow. */
  async end(): Promise<void> {
    this.number++
    let rest = this.isUsedUp ? this.#rest : 'lines'
    for (;;) {
      if (rest !== '') throw this.malformed('stands after the end')
      const { value, done } = await this.#chunks.next()
      if (done === true) return
      rest = value
    }
  }
}
