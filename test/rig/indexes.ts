// Builders for indexes beside those of binary packages: what Debian and Ubuntu publish with them.
import { createHash } from 'node:crypto'
import { aPackage, type BuiltPackage } from './packages.ts'

export const paths = {
  translation: 'main/i18n/Translation-en',
  commands: 'main/cnf/Commands-amd64',
  components: 'main/dep11/Components-amd64.yml',
  icons: 'main/dep11/icons-64x64@2.tar',
  sources: 'main/source/Sources',
  contents: 'main/Contents-amd64',
} as const

const md5 = (description: string) => createHash('md5').update(`${description}\n`).digest('hex')

/** A package whose long description stands in a translation. */
export function described(name: string, version: string, description: string): BuiltPackage {
  return aPackage({ name, version, more: `Description-md5: ${md5(description)}\n` })
}

export function translation(name: string, description: string, translated = description): string {
  return `Package: ${name}\nDescription-md5: ${md5(description)}\nDescription-en: ${translated}\n long text of ${name}\n`
}

/** What command-not-found reads. */
export function commands(...names: string[]): string {
  return `suite: stable\ncomponent: main\narch: amd64\n\n${names.map((name) => `name: ${name}\nversion: 1\ncommands: ${name}-cmd\n`).join('\n')}`
}

/** What software centres read: a head, a document of no package, and those of packages. */
export function components(...names: string[]): string {
  const head = "---\nFile: DEP-11\nVersion: '0.16'\nOrigin: test\n"
  const ofAll = '---\nType: operating-system\nID: org.example.os\n'
  const ofPackage = (name: string) =>
    `---\nType: desktop-application\nID: ${name}.desktop\nPackage: ${name}\nName:\n  C: ${name}\n`
  return head + ofAll + names.map(ofPackage).join('')
}

/** What apt-file reads. */
export function inContents(...names: string[]): string {
  return names.map((name) => `usr/bin/${name}    utils/${name}\n`).join('')
}

export interface BuiltSource {
  readonly stanza: string
  /** By path. */
  readonly files: ReadonlyMap<string, Buffer>
}

export function aSource(name: string, version: string): BuiltSource {
  const files = new Map<string, Buffer>()
  const lines = (kind: string) =>
    [...files].map(([path, body]) => {
      const digest = createHash(kind).update(body).digest('hex')
      return ` ${digest} ${body.length} ${path.split('/').at(-1)}`
    })
  const folder = `pool/main/${name[0]}/${name}`
  files.set(`${folder}/${name}_${version}.tar.xz`, Buffer.from(`source of ${name} ${version}`))
  const control = `Format: 3.0 (native)\nSource: ${name}\nBinary: ${name}\nArchitecture: any\nVersion: ${version}\nMaintainer: Test <test@example.org>\n`
  const dsc = `${control}Checksums-Sha256:\n${lines('sha256').join('\n')}\nFiles:\n${lines('md5').join('\n')}\n`
  files.set(`${folder}/${name}_${version}.dsc`, Buffer.from(dsc))
  const stanza = `Package: ${name}\nBinary: ${name}\nVersion: ${version}\nMaintainer: Test <test@example.org>\nArchitecture: any\nFormat: 3.0 (native)\nDirectory: ${folder}\nFiles:\n${lines('md5').join('\n')}\nChecksums-Sha256:\n${lines('sha256').join('\n')}\n`
  return { stanza, files }
}
