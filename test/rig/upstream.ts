// This host's own upstream: the archives of its apt sources, where they can be reached.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type InitOrder, initConfig } from '../../src/actions/init.ts'
import type { ArchiveConfig } from '../../src/config/archives.ts'
import { parseConfig } from '../../src/config/config.ts'
import { RealDisk } from '../../src/lib/disk.ts'

/** A configuration made from the host's sources, if one of its archives answers; null where none does. */
export async function hostConfig(): Promise<string | null> {
  if (!existsSync('/etc/apt')) return null
  const folder = mkdtempSync(join(tmpdir(), 'uus-upstream-'))
  try {
    const order: InitOrder = {
      configPath: join(folder, 'config.yaml'),
      aptFolder: '/etc/apt',
      data: join(folder, 'data'),
      listen: '127.0.0.1:0',
      baseUrl: null,
      slave: null,
      examplePath: join(import.meta.dirname, '..', '..', 'config.example.yaml'),
    }
    await initConfig(order, new RealDisk())
    const text = readFileSync(order.configPath, 'utf8')
    const archives = hostArchives(text)
    for (const archive of archives) if (await hasSuite(archive, archive.suites[0]!)) return text
    return null
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The archives of a configuration that `hostConfig` made. */
export function hostArchives(configText: string): readonly ArchiveConfig[] {
  return parseConfig(configText, '/nowhere/config.yaml').archives
}

export async function hasSuite(archive: ArchiveConfig, suite: string): Promise<boolean> {
  const url = `${archive.uris[0]!.uri}/dists/${suite}/InRelease`
  const answer = await fetch(url, { signal: AbortSignal.timeout(5000) }).catch(() => null)
  await answer?.arrayBuffer()
  return answer?.ok === true
}
