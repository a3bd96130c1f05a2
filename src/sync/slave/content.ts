// Everything below a manifest, checked: the documents are those that it names, the signed files are by the channel's keys,
// and each file that is to be served is one that they list.
import { posix } from 'node:path'
import { suiteFolder } from '../../debian/index-kinds.ts'
import { type Sha256, sha256 } from '../../lib/digest.ts'
import { TrustError } from '../../lib/errors.ts'
import { formatIso } from '../../lib/units.ts'
import type { PublicationFile } from '../../store/publications.ts'
import type { Store } from '../../store/store.ts'
import type { Keyring } from '../../trust/keyring.ts'
import { type VerifiedRelease, verifyDetachedRelease, verifyInRelease } from '../../trust/verify.ts'
import { signedTextOf } from '../protocol/documents.ts'
import type { ManifestSuite } from '../protocol/manifest.ts'
import { type FileList, parseFileList, parseRecipe, type Recipe } from '../protocol/recipe.ts'
import { clockToleranceMs, refused, type VerifiedManifest, wrongDocument } from './trust.ts'

/** Where documents are found; null for one that is not here. */
export type ReadDocument = (digest: Sha256) => Promise<Buffer | null>

export interface SuiteContent {
  readonly suite: ManifestSuite
  readonly release: VerifiedRelease
  readonly inRelease: Buffer
  readonly releaseText: Buffer
  readonly releaseSignature: Buffer
  readonly files: readonly PublicationFile[]
  /** By the digests of the served files. */
  readonly recipes: ReadonlyMap<Sha256, Recipe>
  /** Texts whose entries name package files, and of what kind they are. */
  readonly naming: ReadonlyMap<Sha256, 'packages' | 'sources'>
}

export interface VerifiedContent {
  readonly type: 'content'
  readonly verified: VerifiedManifest
  readonly suites: readonly SuiteContent[]
  /** All that it is made of, by digest. */
  readonly documents: ReadonlyMap<Sha256, Buffer>
}

/** Documents that have to be had first. */
export interface MissingDocuments {
  readonly type: 'documents'
  readonly missing: readonly Sha256[]
}

/** What the manifest says in full, or what is missing for that. SYNC_REFUSED where anything does not fit. */
export async function verifyContent(
  verified: VerifiedManifest,
  read: ReadDocument,
  store: Store,
  now: number,
): Promise<VerifiedContent | MissingDocuments> {
  const documents = new Map<Sha256, Buffer>()
  const missing = new Set<Sha256>()
  const take = async (digest: Sha256, what: string): Promise<Buffer | null> => {
    const bytes = documents.get(digest) ?? (await read(digest))
    if (bytes === null) missing.add(digest)
    else if (sha256(bytes) !== digest) throw wrongDocument(what, digest)
    else documents.set(digest, bytes)
    return bytes
  }
  const suites: SuiteContent[] = []
  for (const suite of verified.manifest.suites) {
    const what = `${verified.manifest.channel}/${suite.archive}/${suite.suite}`
    const inRelease = await take(suite.inRelease, `InRelease of ${what}`)
    const releaseSignature = await take(suite.releaseSignature, `Release.gpg of ${what}`)
    const list = await take(suite.files, `The list of files of ${what}`)
    if (list === null) continue
    const fileList = parseFileList(list.toString(), `The list of files of ${what}`)
    const recipes = new Map<Sha256, Recipe>()
    for (const digest of new Set(fileList.values())) {
      const recipe = await take(digest, `A recipe of ${what}`)
      if (recipe !== null) recipes.set(digest, parseRecipe(recipe.toString(), `A recipe of ${what}`))
    }
    if (missing.size > 0) continue
    const signed = { suite, inRelease: inRelease!, releaseSignature: releaseSignature! }
    suites.push(await verifySuite(signed, { verified, fileList, recipes, store, now, what }))
  }
  if (missing.size > 0) return { type: 'documents', missing: [...missing] }
  return { type: 'content', verified, suites, documents }
}

interface SuiteContext {
  readonly verified: VerifiedManifest
  readonly fileList: FileList
  readonly recipes: ReadonlyMap<Sha256, Recipe>
  readonly store: Store
  readonly now: number
  readonly what: string
}

async function verifySuite(
  signed: Pick<SuiteContent, 'suite' | 'inRelease' | 'releaseSignature'>,
  context: SuiteContext,
): Promise<SuiteContent> {
  const { suite, inRelease, releaseSignature } = signed
  const { verified, what } = context
  const releaseText = signedTextOf(inRelease)
  if (sha256(releaseText) !== suite.releaseText) throw wrongDocument(`Release of ${what}`, suite.releaseText)
  const at = context.now + clockToleranceMs
  const release = await believed(() =>
    verifyInRelease(inRelease, verified.keyring, at, `InRelease of ${what}`),
  )
  await believed(() => verifyRelease(releaseText, releaseSignature, verified.keyring, at, what))
  checkDate(release, context, suite)
  return {
    ...signed,
    release,
    releaseText,
    ...matchFiles(release, context),
  }
}

function verifyRelease(text: Buffer, signature: Buffer, keyring: Keyring, at: number, what: string) {
  return verifyDetachedRelease(text, signature, keyring, at, `Release of ${what}`)
}

async function believed<T>(verify: () => Promise<T>): Promise<T> {
  try {
    return await verify()
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    throw refused(
      error.message,
      'The master is damaged, or something lies between: see its "uus fsck"',
      error,
    )
  }
}

/** Clients ignore an older Release silently, so none is ever put in front of a newer one. */
function checkDate(
  { release }: VerifiedRelease,
  { store, verified, what }: SuiteContext,
  suite: ManifestSuite,
) {
  const channel = store.channels.find(verified.manifest.channel)
  const known = store.archives.findSuite(suite.archive, suite.suite)
  const last = channel === null || known === null ? null : store.publications.lastDate(channel.id, known.id)
  if (last === null || release.date >= last) return
  throw refused(
    `InRelease of ${what} is of ${formatIso(release.date)}, but clients have one of ${formatIso(last)}`,
    'See "uus status" on the master; its next publication is newer',
  )
}

/** Each file of the list is one that Release names, and made by its recipe. */
function matchFiles(
  { release }: VerifiedRelease,
  { fileList, recipes, what }: SuiteContext,
): Pick<SuiteContent, 'files' | 'recipes' | 'naming'> {
  const files: PublicationFile[] = []
  const made = new Map<Sha256, Recipe>()
  for (const [path, { digest, sizeBytes, algorithm }] of release.files) {
    if (algorithm !== 'SHA256') throw refused(`Release of ${what} lists ${path} without SHA-256`, advice)
    const isServed = fileList.has(path)
    files.push({ path, sha256: digest as Sha256, sizeBytes, isServed })
    if (!isServed) continue
    const recipe = recipes.get(fileList.get(path)!)!
    const form = recipe.forms.find((one) => one.sha256 === digest && one.sizeBytes === sizeBytes)
    if (form === undefined) throw refused(`Release of ${what} has another ${path} than its recipe`, advice)
    made.set(form.sha256, recipe)
  }
  const unknown = [...fileList.keys()].find((path) => !release.files.has(path))
  if (unknown !== undefined) throw refused(`Release of ${what} does not list ${unknown}`, advice)
  return { files, recipes: made, naming: namingTexts(files) }
}

const advice = 'The master is damaged: run "uus fsck" there'

/** Packages and Sources, by the digest of their unpacked form. */
function namingTexts(files: readonly PublicationFile[]): Map<Sha256, 'packages' | 'sources'> {
  const naming = new Map<Sha256, 'packages' | 'sources'>()
  for (const { path, sha256: digest } of files) {
    const name = posix.basename(path)
    if (name === 'Packages') naming.set(digest, 'packages')
    if (name === 'Sources') naming.set(digest, 'sources')
  }
  return naming
}

/** Under which URL of a server a file of a channel is found by its hash. */
export function byHashUrl(channel: string, suite: ManifestSuite, path: string, digest: Sha256): string {
  const folder = posix.join(suiteFolder(suite.suite), posix.dirname(path))
  return posix.join('/', channel, suite.archive, folder, 'by-hash', 'SHA256', digest)
}
