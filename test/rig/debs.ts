// Real .deb files, which dpkg-deb builds: for programs that open them.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { aPackage, type BuiltPackage, type PackageSpec } from './packages.ts'

/** A package with a file of its own name below /usr/share; its description is its name. */
export function aDeb(spec: PackageSpec): BuiltPackage {
  const folder = mkdtempSync(join(tmpdir(), 'uus-deb-'))
  try {
    write(folder, 'DEBIAN/control', aPackage(spec).stanza.replace(/^(Filename|Size|SHA256): .*\n/gm, ''))
    write(folder, `usr/share/${spec.name}/version`, `${spec.name} ${spec.version}\n`)
    const path = `${folder}.deb`
    const built = spawnSync('dpkg-deb', ['--root-owner-group', '-Zgzip', '--build', folder, path])
    if (built.status !== 0) throw new Error(built.stderr.toString())
    const file = readFileSync(path)
    rmSync(path)
    return aPackage(spec, file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function write(folder: string, path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}
