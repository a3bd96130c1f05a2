// Debian version numbers: their parts and their order, as dpkg has it (Debian Policy §5.6.12;
// dpkg lib/dpkg/version.c). The test compares with `dpkg --compare-versions`.

export interface Version {
  readonly epoch: number
  readonly upstream: string
  /** Empty where the version has no `-`; an empty revision equals `0`. */
  readonly revision: string
}

const maxEpoch = 2 ** 31 - 1

/** The parts of a version, or null if dpkg would refuse it. */
export function parseVersion(text: string): Version | null {
  const colon = text.indexOf(':')
  const epochText = colon < 0 ? '0' : text.slice(0, colon)
  if (!/^\d+$/.test(epochText) || Number(epochText) > maxEpoch) return null
  const rest = colon < 0 ? text : text.slice(colon + 1)
  const dash = rest.lastIndexOf('-')
  const upstream = dash < 0 ? rest : rest.slice(0, dash)
  const revision = dash < 0 ? '' : rest.slice(dash + 1)
  if (upstream === '' || (dash >= 0 && revision === '')) return null
  if (!/^[A-Za-z0-9.+~:-]+$/.test(upstream) || !/^[A-Za-z0-9.+~]*$/.test(revision)) return null
  return { epoch: Number(epochText), upstream, revision }
}

/** Negative, zero or positive. Both must be versions; different strings can be equal (`1.0` and `1.0-0`). */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0
  const [epochA, restA] = splitEpoch(a)
  const [epochB, restB] = splitEpoch(b)
  if (epochA !== epochB) return epochA - epochB
  const dashA = restA.lastIndexOf('-')
  const dashB = restB.lastIndexOf('-')
  return (
    compareParts(dashA < 0 ? restA : restA.slice(0, dashA), dashB < 0 ? restB : restB.slice(0, dashB)) ||
    compareParts(dashA < 0 ? '' : restA.slice(dashA + 1), dashB < 0 ? '' : restB.slice(dashB + 1))
  )
}

/** The highest of the versions; undefined if there are none. */
export function highestVersion(versions: Iterable<string>): string | undefined {
  let highest: string | undefined
  for (const version of versions) {
    if (highest === undefined || compareVersions(version, highest) > 0) highest = version
  }
  return highest
}

function splitEpoch(text: string): [epoch: number, rest: string] {
  const colon = text.indexOf(':')
  return colon < 0 ? [0, text] : [Number(text.slice(0, colon)), text.slice(colon + 1)]
}

/** Alternating runs of non-digits and digits, compared in turn. */
function compareParts(a: string, b: string): number {
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const difference = order(a, i) - order(b, j)
      if (difference !== 0) return difference
      i++
      j++
    }
    while (a.charCodeAt(i) === zero) i++
    while (b.charCodeAt(j) === zero) j++
    let firstDifference = 0
    while (isDigit(a, i) && isDigit(b, j)) {
      if (firstDifference === 0) firstDifference = a.charCodeAt(i) - b.charCodeAt(j)
      i++
      j++
    }
    if (isDigit(a, i)) return 1 // the longer run of digits is the larger number
    if (isDigit(b, j)) return -1
    if (firstDifference !== 0) return firstDifference
  }
  return 0
}

const zero = 48

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= zero && code <= 57
}

/** `~` before the end and digits, then letters, then everything else. */
function order(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0
  const code = text.charCodeAt(at)
  if (code === 126) return -1
  const isLetter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
  return isLetter ? code : code + 256
}
