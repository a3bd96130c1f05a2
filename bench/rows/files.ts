// Package files that are only served: a stanza is all they need.
import { createHash } from 'node:crypto'

export function stanzaOf(path: string, body: Buffer): string {
  const [name, version] = path.split('/').at(-1)!.split('_')
  return `Package: ${name}
Version: ${version}
Architecture: amd64
Maintainer: Bench <bench@example.org>
Filename: ${path}
Size: ${body.length}
SHA256: ${createHash('sha256').update(body).digest('hex')}
Description: a file to serve
`
}
