// Files of tokens, one on each line, which may change under a running server. Only digests of them are held.
import { readFile } from 'node:fs/promises'
import { type Sha256, sha256 } from './digest.ts'

/** The digests of its tokens; empty lines and those that begin with `#` are none. */
export async function readTokenDigests(path: string): Promise<ReadonlySet<Sha256>> {
  const lines = (await readFile(path, 'utf8')).split('\n').map((line) => line.trim())
  return new Set(lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => sha256(line)))
}
