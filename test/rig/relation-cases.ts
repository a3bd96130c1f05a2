// Small cases of who satisfies whom: architectures, Multi-Arch, versions, Provides, Conflicts. A real apt has the last
// word on each (test/installability.test.ts); dose-debcheck differs where `dose` says so, and why.
import type { Package, RelationFields } from '../../src/debian/installability/fields.ts'
import { aPackageWith } from './small-universe.ts'

export interface RelationCase {
  readonly title: string
  readonly packages: readonly (readonly [what: string, fields?: Partial<RelationFields>])[]
  /** Can the first package be installed, on amd64 with i386 beside it? */
  readonly isInstallable: boolean
  /** Why dose-debcheck says the opposite. */
  readonly dose?: string
}

const any = 'takes `name:any` to mean any package of that name'
const anyVersion = 'drops the version of a relation with `:any`'
const foreign = 'lets Multi-Arch: foreign answer a relation that names another architecture'
const ancient = 'reads `<` and `>` as strict'
const virtual = 'drops versioned conflicts of Multi-Arch: same packages with purely virtual names'
const siblings = 'lets a package conflict with its own name on the other architecture through Provides'
const capitals = 'does not lower the capitals of package names'

const same = { multiArch: 'same' }
const allowed = { multiArch: 'allowed' }
const foreignOnes = { multiArch: 'foreign' }

function yes(title: string, packages: RelationCase['packages'], dose?: string): RelationCase {
  return { title, packages, isInstallable: true, ...(dose === undefined ? {} : { dose }) }
}

function no(title: string, packages: RelationCase['packages'], dose?: string): RelationCase {
  return { ...yes(title, packages, dose), isInstallable: false }
}

export const relationCases: readonly RelationCase[] = [
  // name:any
  no('x:any is not met by a plain x', [['p', { depends: 'x:any' }], ['x']], any),
  no(
    'x:any is not met by an x for every architecture',
    [
      ['p', { depends: 'x:any' }],
      ['x', foreignOnes],
    ],
    any,
  ),
  no(
    'x:any is not met by a co-installable x',
    [
      ['p', { depends: 'x:any' }],
      ['x', same],
    ],
    any,
  ),
  no('x:any is not met by a plain x of Architecture: all', [['p', { depends: 'x:any' }], ['x:all']], any),
  yes('x:any is met by an allowed x', [
    ['p', { depends: 'x:any' }],
    ['x', allowed],
  ]),
  yes('x:any is met by an allowed x of the other architecture', [
    ['p', { depends: 'x:any' }],
    ['x:i386', allowed],
  ]),
  yes('x:any is met by an allowed x of Architecture: all', [
    ['p', { depends: 'x:any' }],
    ['x:all', allowed],
  ]),
  yes('x:any with a version is met by one that fits', [
    ['p', { depends: 'x:any (>= 1)' }],
    ['x 1', allowed],
  ]),
  no(
    'x:any with a version is not met by a lower one',
    [
      ['p', { depends: 'x:any (>= 2)' }],
      ['x 1', allowed],
    ],
    anyVersion,
  ),
  no('v:any is not met by who provides v', [
    ['p', { depends: 'v:any' }],
    ['x', { provides: 'v' }],
  ]),
  no('v:any is not met by who provides v for every architecture', [
    ['p', { depends: 'v:any' }],
    ['x', { ...foreignOnes, provides: 'v' }],
  ]),
  yes('v:any is met by an allowed package that provides v', [
    ['p', { depends: 'v:any' }],
    ['x:i386', { ...allowed, provides: 'v' }],
  ]),
  yes('v:any with a version is met by an allowed package that provides it', [
    ['p', { depends: 'v:any (>= 2)' }],
    ['x', { ...allowed, provides: 'v (= 2)' }],
  ]),
  no('v:any with a version is not met by a lower provided one', [
    ['p', { depends: 'v:any (>= 3)' }],
    ['x', { ...allowed, provides: 'v (= 2)' }],
  ]),
  yes('v:any is met by who provides v:any', [
    ['p', { depends: 'v:any' }],
    ['x', { provides: 'v:any' }],
  ]),
  no('v is not met by who provides v:any', [
    ['p', { depends: 'v' }],
    ['x', { provides: 'v:any' }],
  ]),
  no('v:any is not met by who provides v:amd64', [
    ['p', { depends: 'v:any' }],
    ['x', { provides: 'v:amd64' }],
  ]),

  // No qualifier: the own architecture, or Multi-Arch: foreign
  yes('x is met by an x for every architecture', [
    ['p', { depends: 'x' }],
    ['x:i386', foreignOnes],
  ]),
  no('x is not met by a plain x of the other architecture', [['p', { depends: 'x' }], ['x:i386']]),
  no('x is not met by an allowed x of the other architecture', [
    ['p', { depends: 'x' }],
    ['x:i386', allowed],
  ]),
  yes('v is met by who provides it for every architecture', [
    ['p', { depends: 'v' }],
    ['x:i386', { ...foreignOnes, provides: 'v' }],
  ]),
  no('v is not met by who provides it on the other architecture', [
    ['p', { depends: 'v' }],
    ['x:i386', { provides: 'v' }],
  ]),
  yes('v is met by a foreign package that provides v:amd64', [
    ['p', { depends: 'v' }],
    ['x:i386', { provides: 'v:amd64' }],
  ]),
  no('a foreign p is not met by who provides v:amd64, for every architecture as it is', [
    ['p:i386', { depends: 'v' }],
    ['x', { ...foreignOnes, provides: 'v:amd64' }],
  ]),
  no('a foreign p is not met by a plain x of Architecture: all, which is native', [
    ['p:i386', { depends: 'x' }],
    ['x:all'],
  ]),
  yes('a foreign p is met by an x of Architecture: all for every architecture', [
    ['p:i386', { depends: 'x' }],
    ['x:all', foreignOnes],
  ]),
  no('a foreign p is not met by an allowed x of Architecture: all', [
    ['p:i386', { depends: 'x' }],
    ['x:all', allowed],
  ]),
  no('a p of Architecture: all is native', [['p:all', { depends: 'x' }], ['x:i386']]),
  no('an architecture that is not configured is not there', [
    ['p', { depends: 'x' }],
    ['x:armhf', foreignOnes],
  ]),

  // name:architecture
  yes('x:i386 is met by x of i386', [['p', { depends: 'x:i386' }], ['x:i386']]),
  no('x:i386 with a version is not met by a lower one', [['p', { depends: 'x:i386 (>= 2)' }], ['x:i386 1']]),
  no(
    'x:i386 is not met by a native x, be it for every architecture',
    [
      ['p', { depends: 'x:i386' }],
      ['x', foreignOnes],
    ],
    foreign,
  ),
  no(
    'x:amd64 is not met by an x of i386, be it for every architecture',
    [
      ['p', { depends: 'x:amd64' }],
      ['x:i386', foreignOnes],
    ],
    foreign,
  ),
  yes('x:amd64 is met by x of Architecture: all', [['p', { depends: 'x:amd64' }], ['x:all']]),
  no('x:i386 is not met by x of Architecture: all', [['p', { depends: 'x:i386' }], ['x:all']]),
  no('x:all is met by nothing', [['p', { depends: 'x:all' }], ['x:all']]),
  yes('v:i386 is met by who provides v there', [
    ['p', { depends: 'v:i386' }],
    ['x:i386', { provides: 'v' }],
  ]),
  no(
    'v:i386 is not met by who provides v elsewhere, be it for every architecture',
    [
      ['p', { depends: 'v:i386' }],
      ['x', { ...foreignOnes, provides: 'v' }],
    ],
    foreign,
  ),
  yes('x:native is met by a native x, asked by a foreign package', [
    ['p:i386', { depends: 'x:native' }],
    ['x'],
  ]),
  no('x:native is not met by a foreign x', [['p:i386', { depends: 'x:native' }], ['x:i386']]),
  yes('x:native is met by x of Architecture: all', [['p', { depends: 'x:native' }], ['x:all']]),
  yes('v:native is met by a native package that provides v', [
    ['p', { depends: 'v:native' }],
    ['x', { provides: 'v' }],
  ]),

  // One name on two architectures
  yes('co-installable packages go together', [
    ['p', { depends: 'x, x:i386' }],
    ['x', same],
    ['x:i386', same],
  ]),
  no('co-installable packages of different versions do not', [
    ['p', { depends: 'x, x:i386' }],
    ['x 2', same],
    ['x:i386 1', same],
  ]),
  yes('co-installable packages of one version spelt differently go together', [
    ['p', { depends: 'x, x:i386' }],
    ['x 1-0', same],
    ['x:i386 1', same],
  ]),
  no('one co-installable package is not enough', [['p', { depends: 'x, x:i386' }], ['x', same], ['x:i386']]),
  no('plain packages do not go together', [['p', { depends: 'x, x:i386' }], ['x'], ['x:i386']]),
  no('allowed packages do not go together', [
    ['p', { depends: 'x, x:i386' }],
    ['x', allowed],
    ['x:i386', allowed],
  ]),
  yes('of packages for every architecture one is enough', [
    ['p', { depends: 'x' }],
    ['x', foreignOnes],
    ['x:i386', foreignOnes],
  ]),
  no('two versions of a package do not go together', [
    ['p', { depends: 'x (= 1), x (= 2)' }],
    ['x:all 1'],
    ['x 2'],
  ]),

  // Conflicts and Breaks
  no('a conflict means the other architecture too', [
    ['p', { depends: 'x, y:i386' }],
    ['x', { conflicts: 'y' }],
    ['y:i386'],
  ]),
  no('a conflict means the other architecture too, told there', [
    ['p', { depends: 'x, y:i386' }],
    ['x'],
    ['y:i386', { conflicts: 'x' }],
  ]),
  no('a conflict of co-installable packages means the other architecture too', [
    ['p', { depends: 'x, y:i386' }],
    ['x', { ...same, conflicts: 'y' }],
    ['y:i386', same],
  ]),
  no('Breaks with a version that fits', [
    ['p', { depends: 'x, y:i386' }],
    ['x', { breaks: 'y (<< 2)' }],
    ['y:i386 1'],
  ]),
  yes('Breaks with a version that does not', [
    ['p', { depends: 'x, y' }],
    ['x', { breaks: 'y (<< 1)' }],
    ['y 1'],
  ]),
  yes('a conflict with y:amd64 leaves y of i386 alone', [
    ['p', { depends: 'x, y:i386' }],
    ['x', { conflicts: 'y:amd64' }],
    ['y:i386'],
  ]),
  no('a conflict with y:i386 means y of i386', [
    ['p', { depends: 'x, y:i386' }],
    ['x', { conflicts: 'y:i386' }],
    ['y:i386'],
  ]),
  yes('a conflict with y:i386 leaves a native y alone', [
    ['p', { depends: 'x, y' }],
    ['x', { conflicts: 'y:i386' }],
    ['y'],
  ]),
  yes(
    'a conflict with y:amd64 leaves y of i386 alone, be it for every architecture',
    [
      ['p', { depends: 'x, y:i386' }],
      ['x', { conflicts: 'y:amd64' }],
      ['y:i386', foreignOnes],
    ],
    foreign,
  ),
  yes(
    'a conflict with y:any leaves a plain y alone',
    [['p', { depends: 'x, y' }], ['x', { conflicts: 'y:any' }], ['y']],
    any,
  ),
  no('a conflict with y:any means an allowed y', [
    ['p', { depends: 'x, y' }],
    ['x', { conflicts: 'y:any' }],
    ['y', allowed],
  ]),
  no('a conflict with y:native means a native y', [
    ['p', { depends: 'x, y' }],
    ['x', { conflicts: 'y:native' }],
    ['y'],
  ]),
  no('a foreign conflict with v:native means who provides v natively', [
    ['p', { depends: 'x:i386, y' }],
    ['x:i386', { conflicts: 'v:native' }],
    ['y', { provides: 'v' }],
  ]),
  no('a conflict means who provides the name, on the other architecture too', [
    ['p', { depends: 'x, y:i386' }],
    ['x', { conflicts: 'v' }],
    ['y:i386', { provides: 'v' }],
  ]),
  yes(
    'a conflict with v:amd64 leaves alone who provides v on i386',
    [
      ['p', { depends: 'x, y:i386' }],
      ['x', { conflicts: 'v:amd64' }],
      ['y:i386', { ...foreignOnes, provides: 'v' }],
    ],
    foreign,
  ),
  no('a conflict means who provides v:i386', [
    ['p', { depends: 'x, y' }],
    ['x', { conflicts: 'v' }],
    ['y', { provides: 'v:i386' }],
  ]),
  yes('a conflict leaves alone who provides v:any', [
    ['p', { depends: 'x, y' }],
    ['x', { conflicts: 'v' }],
    ['y', { provides: 'v:any' }],
  ]),
  yes('a versioned conflict leaves alone who provides the name without a version', [
    ['p', { depends: 'x, y' }],
    ['x', { conflicts: 'v (<< 2)' }],
    ['y', { provides: 'v' }],
  ]),
  no('a versioned conflict means who provides such a version', [
    ['p', { depends: 'x, y' }],
    ['x', { conflicts: 'v (<< 2)' }],
    ['y', { provides: 'v (= 1)' }],
  ]),
  no(
    'the versioned conflict of a co-installable package means who provides such a version',
    [
      ['p', { depends: 'x, y' }],
      ['x', { ...same, conflicts: 'v (<< 2)' }],
      ['y', { provides: 'v (= 1)' }],
    ],
    virtual,
  ),
  yes('who provides what it conflicts with does not exclude itself', [
    ['p', { provides: 'v', conflicts: 'v' }],
  ]),
  no('who provides what it conflicts with excludes others that provide it', [
    ['p', { depends: 'x, y' }],
    ['x', { provides: 'v', conflicts: 'v' }],
    ['y', { provides: 'v', conflicts: 'v' }],
  ]),
  yes(
    'a co-installable package that provides what it conflicts with goes with itself on the other architecture',
    [
      ['p', { depends: 'x, x:i386' }],
      ['x', { ...same, provides: 'v', conflicts: 'v' }],
      ['x:i386', { ...same, provides: 'v', conflicts: 'v' }],
    ],
  ),
  yes(
    'a co-installable package goes with itself, also where only the other architecture provides what it conflicts with',
    [
      ['p', { depends: 'x, x:i386' }],
      ['x', { ...same, conflicts: 'v' }],
      ['x:i386', { ...same, provides: 'v' }],
    ],
    siblings,
  ),
  yes(
    'a co-installable package that conflicts with its own name goes with itself on the other architecture',
    [
      ['p', { depends: 'x, x:i386' }],
      ['x', { ...same, conflicts: 'x' }],
      ['x:i386', { ...same, conflicts: 'x' }],
    ],
  ),
  yes('who breaks a version that is its own does not exclude itself', [['p 2', { breaks: 'p (<= 2)' }]]),

  // Versions and Provides
  no('a version is not met by who provides none', [
    ['p', { depends: 'v (>= 1)' }],
    ['x 5', { provides: 'v' }],
  ]),
  yes('a version is met by who provides one that fits', [
    ['p', { depends: 'v (>= 1)' }],
    ['x', { provides: 'v (= 2)' }],
  ]),
  no('a version is not met by who provides a lower one', [
    ['p', { depends: 'v (>= 3)' }],
    ['x 5', { provides: 'v (= 2)' }],
  ]),
  yes('no version is met by who provides one', [
    ['p', { depends: 'v' }],
    ['x', { provides: 'v (= 2)' }],
  ]),
  yes('a provided version may be spelt differently', [
    ['p', { depends: 'v (= 2-0)' }],
    ['x', { provides: 'v (= 2)' }],
  ]),
  yes('a package may provide another version of itself', [
    ['p', { depends: 'x (>= 5)' }],
    ['x 1', { provides: 'x (= 6)' }],
  ]),
  yes('`<` means `<=`', [['p', { depends: 'x (< 1)' }], ['x 1']], ancient),
  yes('`>` means `>=`', [['p', { depends: 'x (> 1)' }], ['x 1']], ancient),
  no(
    '`<` means `<=` in Conflicts too',
    [['p', { depends: 'x, y' }], ['x', { conflicts: 'y (< 1)' }], ['y 1']],
    ancient,
  ),
  yes('alternatives need no blanks', [['p', { depends: 'v|x' }], ['x']]),
  yes('a package may depend on itself', [['p', { depends: 'p' }]]),
  yes('a package may depend on what it provides', [['p', { depends: 'v', provides: 'v' }]]),
  yes('two packages may depend on each other', [
    ['p', { depends: 'x' }],
    ['x', { depends: 'p' }],
  ]),
  no('a package with capitals is known in small letters', [['p', { depends: 'X' }], ['X']], capitals),
  yes('a provided name with capitals is known as it is', [
    ['p', { depends: 'X' }],
    ['x', { provides: 'X' }],
  ]),
]

/** The packages of a case, with ids from `firstId`; with `suffix` its names are its own among other cases. */
export function packagesOf({ packages }: RelationCase, firstId = 1, suffix = ''): Package[] {
  const renamed = (text: string) => text.replace(/\b[pxyvX]\b/g, (name) => name + suffix)
  return packages.map(([what, fields = {}], at) => {
    const own = Object.entries(fields).map(([field, value]) => [
      field,
      field === 'multiArch' ? value : renamed(value),
    ])
    return aPackageWith(firstId + at, renamed(what), Object.fromEntries(own))
  })
}
