// Packages that are small and would become huge.
import { spawnSync } from 'node:child_process'
import { handmadeDeb, tarEntry } from './debs.ts'

/** A package whose data.tar.xz holds one file of so many MB of zeros; needs xz. */
export function xzDeb(megabytes: number): Buffer {
  const size = megabytes * 1_000_000
  const header = tarEntry({ name: './zeros', size: `${size.toString(8).padStart(11, '0')}\0` })
  const script = `{ cat; head -c ${size} /dev/zero; head -c 1024 /dev/zero; } | xz -0 -T1 -c`
  const { stdout, status } = spawnSync('sh', ['-c', script], { input: header, maxBuffer: 1e9 })
  if (status !== 0) throw new Error('xz fails')
  return handmadeDeb({ data: { name: 'data.tar.xz', bytes: stdout } })
}
