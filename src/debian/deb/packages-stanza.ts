// The stanza by which an index of ours names a package that somebody gave us: the fields of its control file, written
// anew in the order of apt-ftparchive (apt-pkg/tagfile-order.c), and those that say where the file is and what it is.
import type { Sha256 } from '../../lib/digest.ts'
import { isSafePath } from '../../lib/safe-path.ts'
import type { DebControl } from './control.ts'

/** A package file as an index names it. */
export interface PackageFile {
  /** Relative to the archive's root. */
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: Sha256
  /** 32 lower-case hex digits. */
  readonly md5: string
}

const order = [
  'Package',
  'Package-Type',
  'Architecture',
  'Subarchitecture',
  'Version',
  'Kernel-Version',
  'Built-Using',
  'Static-Built-Using',
  'Built-For-Profiles',
  'Auto-Built-Package',
  'Multi-Arch',
  'Priority',
  'Protected',
  'Important',
  'Essential',
  'Installer-Menu-Item',
  'Section',
  'Source',
  'Origin',
  'Maintainer',
  'Original-Maintainer',
  'Bugs',
  'Installed-Size',
  'Provides',
  'Pre-Depends',
  'Depends',
  'Recommends',
  'Suggests',
  'Conflicts',
  'Breaks',
  'Replaces',
  'Enhances',
  'Filename',
  'Size',
  'MD5sum',
  'SHA256',
  'Homepage',
  'Description',
  'Tag',
  'Task',
]
const rankByName = new Map(order.map((name, rank) => [name.toLowerCase(), rank]))

/**
 * Fields that a package has no say in: they are about the file in an archive (and ours to fill in), or about how an
 * archive rolls it out.
 */
const notFromControl = new Set(
  [
    'Filename',
    'Size',
    'MD5sum',
    'SHA1',
    'SHA256',
    'SHA512',
    'MSDOS-Filename',
    'Description-md5',
    'Conffiles',
    'Phased-Update-Percentage',
  ].map((name) => name.toLowerCase()),
)

/** The stanza's text with its last newline, without the blank line. */
export function packagesStanzaOf({ stanza }: Pick<DebControl, 'stanza'>, file: PackageFile): string {
  if (!isSafePath(file.path) || !/^[0-9a-f]{32}$/.test(file.md5) || !Number.isSafeInteger(file.sizeBytes))
    throw new Error(`Internal error: ${file.path} cannot be put into an index`)
  const own = stanza.fields.filter(
    ({ name, value }) => value !== '' && !notFromControl.has(name.toLowerCase()),
  )
  const fields = [
    ...own.map(({ name, value }) => ({ name: order[rankOf(name)] ?? name, value })),
    { name: 'Filename', value: file.path },
    { name: 'Size', value: String(file.sizeBytes) },
    { name: 'MD5sum', value: file.md5 },
    { name: 'SHA256', value: file.sha256 },
  ]
  return fields
    .sort((a, b) => rankOf(a.name) - rankOf(b.name)) // stable: what has no rank stays in its order
    .map(({ name, value }) => render(name, value))
    .join('')
}

function rankOf(name: string): number {
  return rankByName.get(name.toLowerCase()) ?? order.length
}

/** `value` has no blank lines, as paragraph.ts reads it. */
function render(name: string, value: string): string {
  const [first, ...more] = value.split('\n')
  const line = first === '' ? `${name}:` : `${name}: ${first}`
  return [line, ...more.map((text) => ` ${text}`), ''].join('\n')
}
