// Changelogs as dpkg-parsechangelog reads them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ChangelogEntry, ChangelogReader } from '../../src/debian/changelog.ts'
import { parseDeb822 } from '../../src/debian/deb822.ts'
import { run } from './programs.ts'

/** Entries as far as both sides tell of them, with blanks made alike. */
export type ComparableEntry = Omit<ChangelogEntry, 'distributions'> & { readonly distribution: string }

export async function parseWithDpkg(changelog: Buffer | string): Promise<ComparableEntry[]> {
  const folder = mkdtempSync(join(tmpdir(), 'uus-changelog-'))
  try {
    const path = join(folder, 'changelog')
    writeFileSync(path, changelog)
    const { stdout } = await run('dpkg-parsechangelog', ['-l', path, '--all', '--format', 'rfc822'])
    return parseDeb822(stdout).stanzas.map((stanza) => {
      const [, , ...lines] = (stanza.get('Changes') ?? '').split('\n')
      const date = Number(stanza.get('Timestamp'))
      return {
        package: stanza.get('Source') ?? '',
        version: stanza.get('Version') ?? '',
        distribution: stanza.get('Distribution') ?? '',
        urgency: firstWord(stanza.get('Urgency')),
        author: flat(stanza.get('Maintainer') ?? ''),
        date: stanza.get('Timestamp') === undefined ? null : date * 1000,
        text: flat(lines.map((line) => (line === '.' ? '' : line)).join('\n')),
      }
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export function comparable({ distributions, ...entry }: ChangelogEntry): ComparableEntry {
  return {
    ...entry,
    distribution: distributions.join(' '),
    author: flat(entry.author),
    text: flat(entry.text),
  }
}

/** All entries of a text that comes in chunks. */
export function readAll(text: Buffer | string, chunkBytes = 1 << 16): ChangelogEntry[] {
  const reader = new ChangelogReader({ what: 'changelog', hint: 'Look at it' })
  const bytes = Buffer.from(text)
  const entries: ChangelogEntry[] = []
  for (let at = 0; at < bytes.length; at += chunkBytes)
    entries.push(...reader.push(bytes.subarray(at, at + chunkBytes)))
  return [...entries, ...reader.end()]
}

function firstWord(text = ''): string {
  return text.split(/[\s,(]/)[0]!.toLowerCase()
}

function flat(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}
