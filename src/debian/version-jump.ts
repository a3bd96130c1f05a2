// How far a version is from another, as people judge it: from a new revision of the packaging to a new main version.

export const versionJumps = ['revision', 'patch', 'minor', 'major'] as const
/**
 * revision: the same upstream version; minor, major: the second or the first of its parts differs, or the epoch; patch:
 * anything after these.
 */
export type VersionJump = (typeof versionJumps)[number]

export function versionJump(from: string, to: string): VersionJump {
  const [a, b] = [partsOf(from), partsOf(to)]
  if (a.epoch !== b.epoch) return 'major'
  if (a.upstream === b.upstream) return 'revision'
  const [these, those] = [numbersOf(a.upstream), numbersOf(b.upstream)]
  if (these[0] !== those[0]) return 'major'
  if (these[1] !== those[1]) return 'minor'
  return 'patch'
}

function partsOf(version: string): { epoch: string; upstream: string } {
  const colon = version.indexOf(':')
  const epoch = colon < 0 ? '0' : version.slice(0, colon)
  const rest = version.slice(colon + 1)
  const dash = rest.lastIndexOf('-')
  return { epoch, upstream: dash < 0 ? rest : rest.slice(0, dash) }
}

/** Without what follows the digits of a part: 1.24+deb12u1 is a patch of 1.24. */
function numbersOf(upstream: string): string[] {
  return upstream.split('.').map((part) => /^\d+/.exec(part)?.[0] ?? part)
}
