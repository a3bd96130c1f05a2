// What may stand in a name: packages, suites, components, architectures, paths. Whatever passes here
// is safe in a URL, a file name and an index.
import { isSafePath } from '../lib/safe-path.ts'
import { parseVersion } from './version.ts'

/** As dpkg accepts it (lib/dpkg/parsehelp.c), which is wider than Policy: vendors use `_` and capitals. */
export function isPackageName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9+._-]*$/.test(text)
}

export function isArchitecture(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]*$/.test(text)
}

export function isVersion(text: string): boolean {
  return parseVersion(text) !== null
}

/** A suite or component: path parts without tricks (`bookworm-updates`, `updates/main`, `stable/updates`). */
export function isDistributionPath(text: string): boolean {
  return isSafePath(text) && /^[A-Za-z0-9][A-Za-z0-9+._~/-]*$/.test(text)
}

/** A suite in apt's sense: a path below dists, or (with a slash at the end) a folder beside its files. */
export function isSuiteName(text: string): boolean {
  return text === './' || text === '/' || isDistributionPath(text.replace(/\/$/, ''))
}

/** The release a suite belongs to unless the configuration says otherwise: its codename without the pocket. */
export function releaseOfCodename(codename: string): string {
  return codename
    .replace(/\/.*$/, '')
    .replace(
      /-(updates|security|backports|backports-sloppy|proposed|proposed-updates|apps-security|infra-security|apps-updates|infra-updates)$/,
      '',
    )
}

/** Does the suite carry security fixes, by its name? As apt's phasing and unattended-upgrades see it. */
export function isSecuritySuite(...names: (string | undefined)[]): boolean {
  return names.some((name) => name !== undefined && /[-/]security$/.test(name))
}
