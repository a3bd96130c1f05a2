// The kinds of indexes that an archive can have, and where each stands below the suite's folder.

export const indexKinds = [
  'packages',
  'sources',
  'translations',
  'commands',
  'components',
  'icons',
  'contents',
] as const
export type IndexKind = (typeof indexKinds)[number]

/** One index of a suite. */
export interface IndexPlace {
  readonly kind: IndexKind
  /** `main`; empty in flat archives, and for what stands at the suite's root. */
  readonly component: string
  /**
   * What tells it from its siblings: an architecture; for translations a language; for icons their size; `source`
   * for sources.
   */
  readonly architecture: string
}

/** The path of the unpacked index, relative to the suite's folder. */
export function indexPath({ kind, component, architecture }: IndexPlace): string {
  const below = component === '' ? '' : `${component}/`
  switch (kind) {
    case 'packages':
      return component === '' ? 'Packages' : `${below}binary-${architecture}/Packages`
    case 'sources':
      return component === '' ? 'Sources' : `${below}source/Sources`
    case 'translations':
      return `${below}i18n/Translation-${architecture}`
    case 'commands':
      return `${below}cnf/Commands-${architecture}`
    case 'components':
      return `${below}dep11/Components-${architecture}.yml`
    case 'icons':
      return `${below}dep11/icons-${architecture}.tar`
    case 'contents':
      return `${below}Contents-${architecture}`
  }
}

/** What apt installs from, and what a promotion moves; every other kind follows from these. */
export function isStanzaKind(kind: IndexKind): boolean {
  return kind === 'packages' || kind === 'sources'
}

/** Kinds that are kept entry by entry, and cut by the packages that a channel shows. */
export function isDerivedKind(kind: IndexKind): boolean {
  return kind === 'translations' || kind === 'commands' || kind === 'components'
}

/** A suite without components and architectures, beside its files (sources.list(5)): its name ends in a slash. */
export function isFlatSuite(suite: string): boolean {
  return suite.endsWith('/')
}

/** Where a suite's files stand, relative to the archive; without a slash at the end, and empty for `./`. */
export function suiteFolder(suite: string): string {
  if (!isFlatSuite(suite)) return `dists/${suite}`
  return suite.replace(/^\.?\/+/, '').replace(/\/+$/, '')
}

/** Installer packages are no component that clients name. */
export function isInstallerComponent(component: string): boolean {
  return component.endsWith('/debian-installer')
}

/** An index for a better instruction set (`amd64v3`): its stanzas are of the architecture that it begins with. */
export function isVariant(architecture: string): boolean {
  return /^[a-z0-9-]+[a-z0-9]v\d$/.test(architecture)
}
