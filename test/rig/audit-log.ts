// A real audit log with checkpoints, its exports, and what a forger does to them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AuditInput, AuditItem, AuditPage } from '../../src/actions/audit.ts'
import { type AuditFormat, auditPages, exportText } from '../../src/actions/audit-file.ts'
import { type VerifyResult, verifyAudit } from '../../src/actions/audit-verify.ts'
import type { KeyExport } from '../../src/actions/keys.ts'
import { canonicalJson } from '../../src/lib/canonical-json.ts'
import { auditHead, auditLeaf, firstHead } from '../../src/store/audit-chain.ts'
import { FakeArchive } from './archive.ts'
import { day } from './clock.ts'
import { packages } from './packages.ts'
import { Rig } from './rig.ts'

export class LogFixture implements AsyncDisposable {
  readonly rig: Rig
  readonly folder = mkdtempSync(join(tmpdir(), 'uus-log-'))
  readonly key = join(this.folder, 'audit.asc')
  readonly #archive: FakeArchive

  private constructor(rig: Rig, archive: FakeArchive) {
    this.rig = rig
    this.#archive = archive
  }

  /** A log of some 40 rows with two checkpoints, and a few rows after the second. */
  static async make(): Promise<LogFixture> {
    const archive = await FakeArchive.start()
    await archive.publish('stable', { components: { main: { amd64: packages('bash 5.1', 'vim 9.0') } } })
    const rig = await Rig.open({ archives: [{ archive }] })
    const fixture = new LogFixture(rig, archive)
    await rig.mustUpdate()
    await fixture.decide('andrew', 8, '=cmd("x"), "so"\r\nand a second line; -1')
    rig.clock.advance(2 * day)
    await rig.process.jobs.auditLog.checkpoint()
    await fixture.decide('Miłosz', 8, '\u{1f600}\u2028')
    await fixture.decide('@eve', 6, null)
    rig.clock.advance(2 * day)
    await rig.process.jobs.auditLog.checkpoint()
    await fixture.decide('andrew', 4, 'late')
    const { armored } = await rig.call<KeyExport>('key export', { channel: 'audit' })
    writeFileSync(fixture.key, armored)
    return fixture
  }

  /** `count` rows. */
  async decide(actor: string, count: number, reason: string | null): Promise<void> {
    for (let index = 0; index < count; index++) {
      const selectors = [index % 4 < 2 ? 'bash' : 'vim']
      await this.rig.call(index % 2 === 0 ? 'hold' : 'unhold', { selectors, reason }, actor)
    }
  }

  get catalogue(): string {
    return join(this.rig.folder, 'data', 'catalogue.db')
  }

  /** All pages as one. */
  async page(filter: Partial<AuditInput> = {}): Promise<AuditPage> {
    const call = (input: Partial<AuditInput>) => this.rig.call<AuditPage>('audit', input)
    const pages = await Array.fromAsync(auditPages(call, { ...filter, withProof: true }))
    return { ...pages[0]!, items: pages.flatMap((one) => one.items), next: null }
  }

  /** Writes a page as an export. */
  async write(format: AuditFormat, page: AuditPage): Promise<string> {
    const path = join(this.folder, `export.${format}`)
    writeFileSync(path, (await Array.fromAsync(exportText(format, pageAlone(page)))).join(''))
    return path
  }

  verifyFile(file: string, seen: readonly string[] = []): Promise<VerifyResult> {
    return verifyAudit({ source: { file }, keyFile: this.key, seen })
  }

  /** What is found in a page that somebody wrote as an export. */
  async verifyPage(
    format: AuditFormat,
    page: AuditPage,
    seen: readonly string[] = [],
  ): Promise<VerifyResult> {
    return this.verifyFile(await this.write(format, page), seen)
  }

  verifyCatalogue(catalogue = this.catalogue, seen: readonly string[] = []): Promise<VerifyResult> {
    return verifyAudit({ source: { catalogue }, keyFile: this.key, seen })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rig[Symbol.asyncDispose]()
    await this.#archive[Symbol.asyncDispose]()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function* pageAlone(page: AuditPage): AsyncGenerator<AuditPage> {
  yield page
}

/** Makes the chain anew from a row on, as whoever knows the format can. */
export function chainedAnew(items: readonly AuditItem[], from: number): AuditItem[] {
  let head = firstHead
  return items.map((item, index) => {
    const row = { ...item, at: Date.parse(item.at), details: canonicalJson(item.details) }
    head = index < from ? item.head : auditHead(head, auditLeaf(row))
    return { ...item, head }
  })
}
