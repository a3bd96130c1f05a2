// What a request to the forward proxy is about: an address of a configured archive, or nothing of ours. Pure.
import { decodePath } from '../lib/url-path.ts'

/** An archive, as far as its addresses tell. */
export interface Addressed {
  readonly name: string
  readonly uris: readonly { readonly uri: string }[]
}

export type ForwardTarget =
  | { readonly type: 'archive'; readonly archive: string /** Below the archive. */; readonly path: string }
  /** Somebody looks what this is. */
  | { readonly type: 'usage' }
  | { readonly type: 'refused'; readonly why: string }
  | { readonly type: 'malformed' }

/** An absolute URL, as clients send it to a proxy, or `/HOST/PATH`. */
export function parseForwardTarget(target: string, archives: readonly Addressed[]): ForwardTarget {
  const absolute = /^http:\/\/([^/?#]+)(\/[^?#]*)?(?:[?#].*)?$/i.exec(target)
  const prefixed = /^\/([^/?#]+)(\/[^?#]*)?(?:[?#].*)?$/.exec(target)
  if (absolute === null && /^\/(?:[?#].*)?$/.test(target)) return { type: 'usage' }
  const [, authority, path = '/'] = absolute ?? prefixed ?? []
  const host = authority === undefined ? null : hostOf(authority)
  const decoded = decodePath(path)
  if (host === null || decoded === null) return { type: 'malformed' }
  const found = archives
    .flatMap(({ name, uris }) => uris.map(({ uri }) => ({ name, url: new URL(uri) })))
    .map(({ name, url }) => ({ name, host: hostOf(url.host), folder: folderOf(url) }))
    .filter((one) => one.host === host && decoded.startsWith(one.folder))
    .sort((a, b) => b.folder.length - a.folder.length)[0]
  if (found !== undefined) {
    return { type: 'archive', archive: found.name, path: decoded.slice(found.folder.length) }
  }
  return { type: 'refused', why: `${host} has no archive at /${decoded} that this proxy is configured for` }
}

/** Ends in a slash, or is empty. */
function folderOf({ pathname }: URL): string {
  const folder = decodePath(pathname.replace(/\/+$/, ''))
  return folder === null || folder === '' ? '' : `${folder}/`
}

/** Without credentials and usual ports, in lower case; null if it is no host. */
function hostOf(authority: string): string | null {
  const host = authority.slice(authority.lastIndexOf('@') + 1).toLowerCase()
  const match = /^([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.?|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/.exec(host)
  if (match === null) return null
  const name = match[1]!.replace(/\.$/, '')
  const port = match[2]
  return port === undefined || port === '80' || port === '443' ? name : `${name}:${port}`
}
