import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type PackageStanza, PackagesReader, withoutPhasing } from './packages.ts'

const digest = 'a'.repeat(64)

function stanza(fields: Record<string, string | undefined> = {}): string {
  const all: Record<string, string | undefined> = {
    Package: 'foo',
    Version: '1.0-1',
    Architecture: 'amd64',
    Filename: 'pool/main/f/foo/foo_1.0-1_amd64.deb',
    Size: '1234',
    SHA256: digest,
    ...fields,
  }
  return Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')
}

interface Copied extends Omit<PackageStanza, 'text'> {
  text: string
}

/** Reads `text` in chunks of `chunkBytes`. */
function read(text: string, chunkBytes = 1 << 20): Copied[] {
  const reader = new PackagesReader('main/binary-amd64/Packages')
  const bytes = Buffer.from(text)
  const all: Copied[] = []
  const take = (stanzas: PackageStanza[]) => {
    for (const one of stanzas) all.push({ ...one, text: Buffer.from(one.text).toString() })
  }
  for (let at = 0; at < bytes.length; at += chunkBytes) take(reader.push(bytes.subarray(at, at + chunkBytes)))
  take(reader.end())
  return all
}

test('stanzas come out byte for byte, however the text is cut', () => {
  const texts = [
    stanza(),
    stanza({ Package: 'libfoo', Description: 'ä short\n long line\n .\n\tmore', 'X-Odd': '' }),
    stanza({ Package: 'bar', Tag: 'x'.repeat(3000) }),
  ]
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 700 }), fc.constantFrom('\n', '\n\n\n'), (chunkBytes, blank) => {
      assert.deepEqual(
        read(texts.join(blank), chunkBytes).map((one) => one.text),
        texts,
      )
    }),
  )
  assert.deepEqual(
    read(texts.join('\n').trimEnd()).map((one) => one.text),
    texts,
  )
})

test('the fields that decide are read', () => {
  const [plain, other] = read(
    `${stanza()}\n${stanza({ Package: 'libfoo', Source: 'foo-src (2:1.0)', Version: '1.0+b1' })}`,
  )
  assert.deepEqual(
    { ...plain, text: '' },
    {
      text: '',
      name: 'foo',
      version: '1.0-1',
      architecture: 'amd64',
      source: 'foo',
      sourceVersion: '1.0-1',
      path: 'pool/main/f/foo/foo_1.0-1_amd64.deb',
      sizeBytes: 1234,
      sha256: digest,
      descriptionMd5: null,
    },
  )
  assert.deepEqual([other?.source, other?.sourceVersion], ['foo-src', '2:1.0'])
})

test('an empty index has no stanzas', () => {
  assert.deepEqual(read(''), [])
})

const malformed: [what: string, text: string, why: RegExp][] = [
  ['no Package', stanza({ Package: undefined }), /has no Package/],
  ['no Version', stanza({ Version: undefined }), /\(foo\) has no Version/],
  ['no SHA256', stanza({ SHA256: undefined }), /has no SHA256/],
  ['upper-case digest', stanza({ SHA256: 'A'.repeat(64) }), /odd SHA256/],
  ['a Filename that leaves the archive', stanza({ Filename: '../x' }), /odd Filename: "..\/x"/],
  ['an absolute Filename', stanza({ Filename: '/etc/passwd' }), /odd Filename/],
  ['an encoded Filename', stanza({ Filename: 'pool/%2e%2e/x' }), /odd Filename/],
  ['a query in Filename', stanza({ Filename: 'pool/x?y' }), /odd Filename/],
  ['an empty part in Filename', stanza({ Filename: 'pool//x' }), /odd Filename/],
  ['a negative size', stanza({ Size: '-1' }), /odd Size/],
  ['a version dpkg refuses', stanza({ Version: '1.0-' }), /odd Version/],
  ['an odd architecture', stanza({ Architecture: 'amd64/..' }), /odd Architecture/],
  ['a doubled field', `${stanza()}Version: 2\n`, /has the field Version twice/],
  ['a doubled field in another case', `${stanza()}filename: pool/evil\n`, /has the field filename twice/],
  ['a line of blanks', stanza({ Description: 'x\n \n y' }), /line of blanks/],
  ['a carriage return', stanza().replace('\n', '\r\n'), /control character 0xd/],
  ['a NUL', stanza({ Maintainer: 'a\0b' }), /control character 0x0/],
  ['a line that is no field', `${stanza()}what is this\n`, /no field: "what is this"/],
  ['a continuation first', ` x\n${stanza()}`, /begins with a continuation line/],
  ['a comment stanza', `# comment: yes\n\n${stanza()}`, /odd field name/],
  ['an odd Source', stanza({ Source: 'a b c' }), /odd Source/],
  ['an endless stanza', stanza({ Description: 'x'.repeat(2 << 20) }), /longer than 1 MiB/],
]

for (const [what, text, why] of malformed) {
  test(`${what} is refused with the stanza's place`, () => {
    assert.throws(() => read(text), { code: 'MALFORMED', message: why })
    assert.throws(() => read(`${stanza({ Package: 'first' })}\n${text}`, 97), {
      code: 'MALFORMED',
      message: why,
    })
  })
}

test('phasing is taken out and nothing else', () => {
  const phased = stanza({ 'Phased-Update-Percentage': '10', Section: 'libs' })
  assert.equal(withoutPhasing(Buffer.from(phased)).toString(), stanza({ Section: 'libs' }))
  const last = `${stanza()}Phased-Update-Percentage: 0\n`
  assert.equal(withoutPhasing(Buffer.from(last)).toString(), stanza())
  assert.equal(withoutPhasing(Buffer.from(stanza())).toString(), stanza())
})
