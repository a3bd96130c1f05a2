// Builders for package stanzas and the files they name.
import { sha256 } from '../../src/lib/digest.ts'

export interface PackageSpec {
  readonly name: string
  readonly version: string
  readonly architecture?: string
  /** Default: the name, at the package's version. */
  readonly source?: string
  readonly sourceVersion?: string
  readonly depends?: string
  /** Distinguishes files of the same name and version. */
  readonly content?: string
  readonly section?: string
  readonly priority?: string
  readonly path?: string
  /** Further lines of the stanza, each with its newline. */
  readonly more?: string
}

export interface BuiltPackage {
  readonly spec: PackageSpec
  readonly path: string
  readonly file: Buffer
  readonly stanza: string
}

/** By default the file is not a real .deb: enough for everything up to unpacking. */
export function aPackage(spec: PackageSpec, file: Buffer = madeFile(spec)): BuiltPackage {
  const { name, version, architecture = 'amd64' } = spec
  const source = spec.source ?? name
  const fileVersion = version.replace(/^\d+:/, '')
  const path = spec.path ?? `pool/main/${source[0]}/${source}/${name}_${fileVersion}_${architecture}.deb`
  const sourceVersion = spec.sourceVersion ?? version
  const sourceLine =
    source === name && sourceVersion === version
      ? ''
      : `Source: ${source}${sourceVersion === version ? '' : ` (${sourceVersion})`}\n`
  const stanza = `Package: ${name}
${sourceLine}Version: ${version}
Architecture: ${architecture}
Maintainer: Test <test@example.org>
${spec.depends === undefined ? '' : `Depends: ${spec.depends}\n`}Section: ${spec.section ?? 'utils'}
Priority: ${spec.priority ?? 'optional'}
Filename: ${path}
Size: ${file.length}
SHA256: ${sha256(file)}
Description: ${name}
${spec.more ?? ''}`
  return { spec, path, file, stanza }
}

function madeFile({ name, version, architecture = 'amd64', content = '' }: PackageSpec): Buffer {
  return Buffer.from(`package ${name} ${version} ${architecture} ${content}\n`.repeat(50))
}

/** `name version` pairs as packages of their own sources. */
export function packages(...names: string[]): BuiltPackage[] {
  return names.map((text) => {
    const [name, version] = text.split(' ') as [string, string]
    return aPackage({ name, version })
  })
}
