// apt's own configuration of archives: one-line `sources.list` and deb822 `.sources` (sources.list(5)).
import { parseDeb822, type Stanza, splitWords } from './deb822.ts'

/** One enabled entry: an archive's URI with the suites taken from it. */
export interface AptSource {
  /** File and line it stands in, for messages. */
  readonly place: string
  /** `deb`, `deb-src` or both. */
  readonly types: readonly string[]
  readonly uri: string
  readonly suites: readonly string[]
  /** Empty for a flat suite (one that ends in `/`). */
  readonly components: readonly string[]
  /** Empty: the host's own. */
  readonly architectures: readonly string[]
  /** Keyring paths, 40-hex fingerprints, or one embedded armored block. Empty: apt's global keyrings. */
  readonly signedBy: { readonly paths: readonly string[]; readonly armored: string | null }
  /** `Trusted: yes`: apt would not check signatures. */
  readonly isTrusted: boolean
  /** `Check-Valid-Until: no`. */
  readonly ignoresValidUntil: boolean
}

/** A file of /etc/apt/sources.list.d; which syntax it has is told by its name, as apt does. */
export function parseSourcesFile(name: string, text: string): { sources: AptSource[]; problems: string[] } {
  return name.endsWith('.sources') ? parseSources(name, text) : parseSourcesList(name, text)
}

function parseSources(name: string, text: string): { sources: AptSource[]; problems: string[] } {
  const { stanzas, problems } = parseDeb822(text)
  const sources: AptSource[] = []
  const complaints = problems.map(({ line, why }) => `${name}:${line} ${why}`)
  for (const stanza of stanzas) {
    if (/^(no|false|0|off)$/i.test(stanza.get('Enabled') ?? 'yes')) continue
    const types = stanza.words('Types').filter((type) => type === 'deb' || type === 'deb-src')
    if (types.length === 0) continue
    const place = `${name}:${stanza.line}`
    const uris = stanza.words('URIs')
    const suites = stanza.words('Suites')
    if (uris.length === 0 || suites.length === 0) {
      complaints.push(`${place} has no ${uris.length === 0 ? 'URIs' : 'Suites'}`)
      continue
    }
    for (const uri of uris) {
      sources.push({
        place,
        types,
        uri,
        suites,
        components: stanza.words('Components'),
        architectures: stanza.words('Architectures'),
        signedBy: readSignedBy(stanza),
        isTrusted: isYes(stanza.get('Trusted')),
        ignoresValidUntil: /^(no|false|0)$/i.test(stanza.get('Check-Valid-Until') ?? ''),
      })
    }
  }
  return { sources, problems: complaints }
}

function readSignedBy(stanza: Stanza): AptSource['signedBy'] {
  const value = stanza.get('Signed-By') ?? ''
  if (value.includes('-----BEGIN PGP')) {
    const lines = value.split('\n').filter((line, index) => index > 0 || line !== '')
    return { paths: [], armored: `${lines.map((line) => (line === '.' ? '' : line)).join('\n')}\n` }
  }
  return { paths: value.split(/[\s,]+/).filter((word) => word !== ''), armored: null }
}

function parseSourcesList(name: string, text: string): { sources: AptSource[]; problems: string[] } {
  const sources: AptSource[] = []
  const problems: string[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*$/, '').trim()
    if (line === '') continue
    if (!/^deb(-src)?\s/.test(line)) {
      problems.push(`${name}:${index + 1} is no sources.list line`)
      continue
    }
    const match = /^(deb(?:-src)?)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*)$/.exec(line)
    if (match === null) {
      problems.push(`${name}:${index + 1} lacks a URI or a suite`)
      continue
    }
    const [, type, optionText, uri, suite, components] = match
    const options = readOptions(optionText ?? '')
    sources.push({
      place: `${name}:${index + 1}`,
      types: [type!],
      uri: uri!,
      suites: [suite!],
      components: splitWords(components!),
      architectures: options.get('arch') ?? [],
      signedBy: { paths: options.get('signed-by') ?? [], armored: null },
      isTrusted: isYes(options.get('trusted')?.[0]),
      ignoresValidUntil: options.get('check-valid-until')?.[0] === 'no',
    })
  }
  return { sources, problems }
}

function readOptions(text: string): Map<string, string[]> {
  const options = new Map<string, string[]>()
  for (const [, name, value] of text.matchAll(/([a-z-]+)=(\S+)/gi)) {
    options.set(name!.toLowerCase(), value!.split(','))
  }
  return options
}

function isYes(value: string | undefined): boolean {
  return /^(yes|true|1|on|with)$/i.test(value ?? '')
}
