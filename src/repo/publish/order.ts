// The order of stanzas in an index: name by bytes, then version, then digest. The same set always gives the
// same text.
import { compareVersions } from '../../debian/version.ts'
import type { SortKey } from '../../store/records.ts'

export function inIndexOrder(keys: SortKey[]): SortKey[] {
  return keys.sort(compareKeys)
}

function compareKeys(a: SortKey, b: SortKey): number {
  // Names are ASCII, so comparing UTF-16 units compares bytes.
  if (a.name !== b.name) return a.name < b.name ? -1 : 1
  return compareVersions(a.version, b.version) || Buffer.compare(a.sha256, b.sha256)
}
