// Made packages: tiny, but real enough for tools that open every .deb.
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'

export interface Deb {
  readonly name: string
  readonly version: string
  readonly path: string
  readonly stanza: string
}

const words =
  'update server package library common tools runtime support data files module driver daemon'.split(' ')

/**
 * Writes package number `number` below `folder`; the stanza is some 900 bytes, like real ones. It depends on packages
 * with lower numbers, so that all of a suite that begins with 0 can be installed.
 */
export function writeDeb(folder: string, number: number, version: string): Deb {
  const name = nameOf(number)
  const long = Array.from({ length: 34 }, (_, index) => words[(number * 7 + index * 13) % words.length]).join(
    ' ',
  )
  const depends = Array.from(
    { length: 8 },
    (_, index) => `${nameOf((number * 7 + index * 13) % Math.max(number, 1))} (>= 1.0)`,
  )
  const control = `Package: ${name}
Version: ${version}
Architecture: amd64
Maintainer: Bench <bench@example.org>
Installed-Size: ${(number % 9000) + 10}
Depends: ${depends.join(', ')}
Section: utils
Priority: optional
Homepage: https://example.org/${name}
Description: made package number ${number}
 ${long.replace(/(.{70}) /g, '$1\n ')}
`
  const deb = ar([
    ['debian-binary', Buffer.from('2.0\n')],
    ['control.tar.gz', gzipSync(tar([['./control', Buffer.from(control)]]), { level: 1 })],
    ['data.tar.gz', gzipSync(tar([]), { level: 1 })],
  ])
  const path = `pool/main/${name.slice(4, 6)}/${name}/${name}_${version}_amd64.deb`
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), deb)
  const sha256 = createHash('sha256').update(deb).digest('hex')
  const md5 = createHash('md5').update(deb).digest('hex')
  const stanza = control.replace(
    /^Description:/m,
    `Filename: ${path}\nSize: ${deb.length}\nMD5sum: ${md5}\nSHA256: ${sha256}\nDescription:`,
  )
  return { name, version, path, stanza }
}

/** Neighbours by number are no neighbours by name. */
function nameOf(number: number): string {
  return `pkg-${createHash('sha256').update(String(number)).digest('hex').slice(0, 8)}-${number}`
}

function ar(members: readonly [name: string, data: Buffer][]): Buffer {
  const parts: Buffer[] = [Buffer.from('!<arch>\n')]
  for (const [name, data] of members) {
    const head = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(data.length).padEnd(10)}\`\n`
    parts.push(Buffer.from(head), data, Buffer.alloc(data.length % 2, '\n'))
  }
  return Buffer.concat(parts)
}

function tar(files: readonly [name: string, data: Buffer][]): Buffer {
  const parts: Buffer[] = []
  for (const [name, data] of files) {
    const head = Buffer.alloc(512)
    head.write(name, 0)
    head.write('0000644\0', 100)
    head.write('0000000\0', 108)
    head.write('0000000\0', 116)
    head.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124)
    head.write('00000000000\0', 136)
    head.write('        ', 148)
    head.write('0', 156)
    head.write('ustar\x0000', 257)
    head.write(
      `${head
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    )
    parts.push(head, data, Buffer.alloc((512 - (data.length % 512)) % 512))
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}
