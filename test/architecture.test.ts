// docs/architecture.md states who may import what; this holds the code to it.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, normalize, relative } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
const source = join(root, 'src')

interface Rule {
  readonly folders: readonly string[]
  readonly libraries: readonly string[]
}

/** The table: folder → what it may import. */
function readRules(): Map<string, Rule> {
  const text = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8')
  const rules = new Map<string, Rule>()
  const words = (cell: string) =>
    cell
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== '')
  for (const [, folder, folders, libraries] of text.matchAll(
    /^\| `([a-z]+)` *\|[^|]*\|([^|]*)\|([^|]*)\|$/gm,
  )) {
    rules.set(folder!, { folders: words(folders!), libraries: words(libraries!) })
  }
  return rules
}

interface Import {
  readonly file: string
  readonly target: string
  readonly isTypeOnly: boolean
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(source, file), 'utf8')
  const found: Import[] = []
  for (const [, type, target] of text.matchAll(/^(?:import|export)\s+(type\s)?[^'"]*?from\s+'([^']+)'/gm)) {
    found.push({ file, target: target!, isTypeOnly: type !== undefined })
  }
  for (const [, target] of text.matchAll(/^import '([^']+)'/gm))
    found.push({ file, target: target!, isTypeOnly: false })
  for (const [, target] of text.matchAll(/import\('([^']+)'\)/g))
    found.push({ file, target: target!, isTypeOnly: false })
  return found
}

const rules = readRules()
const files = globSync('**/*.ts', { cwd: source }).sort()
const folderOf = (file: string) => (file.includes('/') ? file.split('/')[0]! : null)
const ownFiles = files.filter((file) => !file.endsWith('.test.ts'))
const imports = ownFiles.flatMap(importsOf)

test('the table names exactly the folders there are', () => {
  const folders = new Set(files.map(folderOf).filter((folder) => folder !== null))
  assert.deepEqual([...rules.keys()].sort(), [...folders].sort())
})

test('every import is allowed by the table', () => {
  const refused: string[] = []
  for (const { file, target } of imports) {
    const folder = folderOf(file)
    if (folder === null || isBuiltin(target)) continue
    const rule = rules.get(folder)!
    if (target.startsWith('.')) {
      const to = folderOf(relative(source, join(source, dirname(file), target)))
      if (to !== folder && (to === null || !rule.folders.includes(to)))
        refused.push(`${file} imports ${target}`)
    } else if (!rule.libraries.includes(libraryOf(target))) refused.push(`${file} imports ${target}`)
  }
  assert.deepEqual(refused, [])
})

/** `@scope/name/part` → `@scope/name`. */
function libraryOf(target: string): string {
  return target.split('/', target.startsWith('@') ? 2 : 1).join('/')
}

test('the table names no library that is not used, and package.json none that the table lacks', () => {
  const used = new Map<string, Set<string>>()
  for (const { file, target } of imports) {
    if (target.startsWith('.') || isBuiltin(target)) continue
    const library = libraryOf(target)
    used.set(library, (used.get(library) ?? new Set()).add(folderOf(file) ?? file))
  }
  const claimed = [...rules].flatMap(([folder, rule]) =>
    rule.libraries.map((library) => `${library} in ${folder}`),
  )
  const real = [...used].flatMap(([library, folders]) =>
    [...folders].map((folder) => `${library} in ${folder}`),
  )
  assert.deepEqual(claimed.sort(), real.sort())
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  assert.deepEqual(Object.keys(dependencies).sort(), [...used.keys()].sort())
})

test('proxy takes from repo only what is published, from store only types; web and cli take neither', () => {
  const targets = imports
    .filter(({ file }) => folderOf(file) === 'proxy')
    .map(({ file, target, isTypeOnly }) => ({ to: normalize(join(dirname(file), target)), isTypeOnly }))
  for (const { to, isTypeOnly } of targets) {
    if (to.startsWith('repo/')) assert.equal(to, 'repo/published.ts')
    if (to.startsWith('store/')) assert.ok(isTypeOnly, to)
  }
})

/** Where it is said in what, and where, blobs are kept. */
const blobRoots: ReadonlySet<string> = new Set(['jobs.ts', 'network.ts', 'restore.ts'])

test('nothing outside src/store knows that blobs are files, but for who says where they are kept', () => {
  const outside = imports.filter(({ file }) => folderOf(file) !== 'store')
  for (const { file, target, isTypeOnly } of outside) {
    const to = normalize(join(dirname(file), target))
    if (to === 'store/file-blobs.ts') assert.ok(blobRoots.has(file), `${file} imports ${target}`)
    // Of what is being fetched there is one way to keep it yet; its users know it as a type.
    if (to === 'store/partials.ts' || to === 'store/blobs.ts')
      assert.ok(isTypeOnly || blobRoots.has(file), `${file} imports more than types of ${target}`)
  }
  const contract = importsOf('store/blobs.ts').map(({ target }) => target)
  assert.deepEqual(contract, ['node:stream', '../lib/digest.ts'])
})

test("nobody outside src/store gets a blob's path", () => {
  const textOf = (file: string) => readFileSync(join(source, file), 'utf8')
  // The contract: neither takes one nor tells one.
  const contract = textOf('store/blobs.ts').replaceAll(/^ *(\/\/|\/?\*).*$/gm, '')
  assert.doesNotMatch(contract, /\b(path|folder|file|FileHandle|url)\w*\b\s*[(:]/i)
  const members = [...textOf('store/partials.ts').matchAll(/extends Pick<TempFile, ([^>]*)>/g)]
  assert.equal(members.length, 1)
  assert.doesNotMatch(members[0]![1]!, /path/)
  // Folders of blobs are named once, and go into what keeps them and nowhere else.
  const folders = [...textOf('jobs.ts').matchAll(/^ {4}(\w+): join\(dataFolder, '[^.']+'/gm)].map(
    ([, name]) => name!,
  )
  const ofOthers = new Set(['keys', 'forward'])
  const ofBlobs = folders.filter((name) => !ofOthers.has(name))
  assert.deepEqual(ofBlobs.toSorted(), [
    'incoming',
    'partial',
    'pool',
    'published',
    'quarantine',
    'texts',
    'uploads',
  ])
  const named = new RegExp(`(.{0,60})(?:paths|dataPaths\\([^)]*\\))\\.(?:${ofBlobs.join('|')})\\b`, 'g')
  let uses = 0
  for (const file of ownFiles) {
    for (const [all, before] of textOf(file).matchAll(named)) {
      uses++
      assert.match(before!, /new (FileBlobs|Partials)\($/, `${file}: ${all}`)
      assert.ok(blobRoots.has(file), file)
    }
  }
  assert.ok(uses >= 10)
})

test('no file imports itself in a circle', () => {
  const graph = new Map<string, string[]>()
  for (const { file, target, isTypeOnly } of imports) {
    if (!target.startsWith('.') || isTypeOnly) continue
    graph.set(file, [...(graph.get(file) ?? []), normalize(join(dirname(file), target))])
  }
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), `circle: ${[...path, file].join(' → ')}`)
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of ownFiles) visit(file, [])
})

test('no default exports, no barrels, and files of a size that can be read', () => {
  for (const file of ownFiles) {
    const text = readFileSync(join(source, file), 'utf8')
    assert.doesNotMatch(text, /^export default/m, file)
    assert.doesNotMatch(text, /^export \* from/m, file)
    assert.match(text, /^\/\/ /, `${file} begins with what it is about`)
    assert.ok(text.split('\n').length <= 420, `${file} is too long`)
  }
})
