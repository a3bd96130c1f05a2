// Debian changelogs (deb-changelog(5)), newest entry first. Lenient as dpkg-parsechangelog is: what is no entry is passed
// over. What stands in one is a claim of whoever wrote it.
import { MalformedError } from '../lib/errors.ts'
import type { Subject } from '../lib/unpack.ts'
import { parseMailDate } from './date.ts'
import { isVersion } from './names.ts'
import { compareVersions } from './version.ts'

export interface ChangelogEntry {
  /** The source package. */
  readonly package: string
  readonly version: string
  readonly distributions: readonly string[]
  /** In lower case, without a remark behind it; empty where there is none. */
  readonly urgency: string
  /** As it stands: `Name <address>`; empty where the entry lacks its last line. */
  readonly author: string
  /** Milliseconds; null where there is none that can be read. */
  readonly date: number | null
  /** The lines between the first and the last, without blank ones around them. */
  readonly text: string
}

const maxLineBytes = 1 << 20
// One entry of a kernel lists thousands of changes.
const maxEntryBytes = 8 << 20

/** Reads a changelog chunk by chunk. A line or an entry beyond all measure is MALFORMED. */
export class ChangelogReader {
  readonly #subject: Subject
  readonly #newline = 10
  #rest: Buffer = Buffer.alloc(0)
  #open: OpenEntry | null = null

  constructor(subject: Subject) {
    this.#subject = subject
  }

  /** The entries that `chunk` completes. */
  push(chunk: Buffer): ChangelogEntry[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const end = bytes.lastIndexOf(this.#newline) + 1
    this.#rest = Buffer.from(bytes.subarray(end))
    if (this.#rest.length > maxLineBytes) this.#fail('has a line of more than 1 MiB')
    return this.#readLines(bytes.subarray(0, end))
  }

  /** The last entry, which may lack its last line. */
  end(): ChangelogEntry[] {
    const entries = this.#readLines(this.#rest)
    this.#rest = Buffer.alloc(0)
    if (this.#open !== null) entries.push(this.#open.close('', null))
    this.#open = null
    return entries
  }

  /** Old entries may be of any encoding: what is not UTF-8 is replaced. */
  #readLines(bytes: Buffer): ChangelogEntry[] {
    const entries: ChangelogEntry[] = []
    for (const line of bytes.toString().split('\n')) {
      const entry = this.#readLine(line.trimEnd())
      if (entry !== null) entries.push(entry)
    }
    return entries
  }

  #readLine(line: string): ChangelogEntry | null {
    const heading = readHeading(line)
    if (heading !== null) {
      const before = this.#open
      this.#open = heading
      return before === null ? null : before.close('', null)
    }
    if (this.#open === null) return null
    if (line.startsWith(' --')) {
      const [, author, date] = /^ -- ?(.*>)(.*)$/.exec(line) ?? [line, line.slice(3), '']
      const entry = this.#open.close(author!.trim(), parseMailDate(date!))
      this.#open = null
      return entry
    }
    if (!this.#open.add(line)) this.#fail(`has an entry of more than 8 MiB (${this.#open.version})`)
    return null
  }

  #fail(why: string): never {
    throw new MalformedError(this.#subject.what, why, { hint: this.#subject.hint })
  }
}

/** An entry whose last line was not read yet. */
class OpenEntry {
  readonly #heading: Omit<ChangelogEntry, 'author' | 'date' | 'text'>
  readonly #lines: string[] = []
  #lengthBytes = 0

  constructor(heading: Omit<ChangelogEntry, 'author' | 'date' | 'text'>) {
    this.#heading = heading
  }

  get version(): string {
    return this.#heading.version
  }

  /** False where it would become too long. */
  add(line: string): boolean {
    this.#lines.push(line)
    this.#lengthBytes += line.length + 1
    return this.#lengthBytes <= maxEntryBytes
  }

  close(author: string, date: number | null): ChangelogEntry {
    const text = this.#lines.join('\n').replace(/^\n+|\n+$/g, '')
    return { ...this.#heading, author, date, text }
  }
}

/** `package (version) suite suite; urgency=low` */
function readHeading(line: string): OpenEntry | null {
  const match = /^([A-Za-z0-9][A-Za-z0-9+.-]*) \(([^() \t]+)\)((?:[ \t]+[A-Za-z0-9+._-]+)+);(.*)$/.exec(line)
  if (match === null || !isVersion(match[2]!)) return null
  const [, name, version, distributions, settings] = match
  return new OpenEntry({
    package: name!,
    version: version!,
    distributions: distributions!.trim().split(/[ \t]+/),
    urgency: (/(?:^|[,\s])urgency=([A-Za-z]+)/i.exec(settings!)?.[1] ?? '').toLowerCase(),
  })
}

/** What changed, and whether all of it is known. */
export interface ChangelogPart {
  readonly entries: readonly ChangelogEntry[]
  /** The last entry is followed by one that is not newer than `since`; or it is the first there ever was. */
  readonly isComplete: boolean
}

const maxEntries = 200

/**
 * The entries newer than `since` in dpkg's order: from the top to the first that is not. Null means all. Reads no further
 * than needed, and no more than 200 entries.
 */
export async function entriesSince(
  chunks: AsyncIterable<Buffer>,
  since: string | null,
  subject: Subject,
): Promise<ChangelogPart> {
  const reader = new ChangelogReader(subject)
  const entries: ChangelogEntry[] = []
  const take = (more: readonly ChangelogEntry[]): 'more' | 'all' | 'too many' => {
    for (const entry of more) {
      if (since !== null && compareVersions(entry.version, since) <= 0) return 'all'
      if (entries.length === maxEntries) return 'too many'
      entries.push(entry)
    }
    return 'more'
  }
  for await (const chunk of chunks) {
    const state = take(reader.push(chunk))
    if (state !== 'more') return { entries, isComplete: state === 'all' }
  }
  return { entries, isComplete: take(reader.end()) !== 'too many' }
}

/** The CVE ids that a text mentions, each once, in their order. */
export function claimedCves(text: string): string[] {
  const ids = text.matchAll(/\bCVE-((?:19|20)\d{2}-\d{4,9})(?!\d)/gi)
  return [...new Set(Array.from(ids, ([, id]) => `CVE-${id}`))]
}
