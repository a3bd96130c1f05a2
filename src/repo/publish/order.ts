// The order of entries in an index: name by bytes, then version, then the digest of the text. The same set always gives the
// same text.
import { compareVersions } from '../../debian/version.ts'
import type { NamedRecord, SortKey } from '../../store/records.ts'

export function inIndexOrder<K extends SortKey>(keys: K[]): K[] {
  return keys.sort(compareKeys)
}

/** The same, but for entries of one name. */
export function inNameOrder<K extends NamedRecord>(records: K[]): K[] {
  return records.sort(compareNames)
}

function compareKeys(a: SortKey, b: SortKey): number {
  return compareNames(a, b) || compareVersions(a.version, b.version) || Buffer.compare(a.hash, b.hash)
}

/** Names are ASCII, so comparing UTF-16 units compares bytes. */
function compareNames(a: NamedRecord, b: NamedRecord): number {
  return a.name === b.name ? 0 : a.name < b.name ? -1 : 1
}
