// The path of a request: decoded once, and refused if two readers could disagree about it.
import { isSafePath } from './safe-path.ts'

/** The path without its first slash, percent-decoded; null if it is malformed or leaves its folder. */
export function decodePath(target: string): string | null {
  const query = target.indexOf('?')
  const raw = query < 0 ? target : target.slice(0, query)
  if (!raw.startsWith('/')) return null
  try {
    const decoded = raw.includes('%') ? decodeURIComponent(raw.slice(1)) : raw.slice(1)
    // Clients of flat archives ask for `./Packages`, as their sources entry says.
    const path = decoded.includes('./') ? decoded.replace(/(^|\/)(?:\.\/)+/g, '$1') : decoded
    return isSafePath(path) ? path : null
  } catch {
    return null // not UTF-8 behind its percent signs
  }
}

/** An archive's URL for a path, with every part encoded (`+` too: some object stores take it for a blank). */
export function encodePath(base: string, path: string): string {
  return `${base}/${path.split('/').map(encodeURIComponent).join('/')}`
}
