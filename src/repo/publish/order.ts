// The order of entries in an index: name by bytes, then version, then the digest of the text. The same set always gives the
// same text.
import { compareVersions } from '../../debian/version.ts'
import type { SortKey } from '../../store/records.ts'

export function inIndexOrder<K extends SortKey>(keys: K[]): K[] {
  return keys.sort(compareKeys)
}

function compareKeys(a: SortKey, b: SortKey): number {
  // Names are ASCII, so comparing UTF-16 units compares bytes.
  if (a.name !== b.name) return a.name < b.name ? -1 : 1
  return compareVersions(a.version, b.version) || Buffer.compare(a.hash, b.hash)
}
