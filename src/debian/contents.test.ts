import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ContentsFilter } from './contents.ts'

function filter(text: string, visible: readonly string[], chunkBytes = 1 << 20): string {
  const contents = new ContentsFilter((name) => visible.includes(name))
  const bytes = Buffer.from(text)
  const kept: Buffer[] = []
  // Chunks are copied out at once, as their memory may be used again.
  const take = (buffers: Buffer[]) => kept.push(...buffers.map((one) => Buffer.from(one)))
  for (let at = 0; at < bytes.length; at += chunkBytes)
    take(contents.push(bytes.subarray(at, at + chunkBytes)))
  take(contents.end())
  return Buffer.concat(kept).toString()
}

const text = `bin/bash                      shells/bash
bin/sh\t\tshells/dash,universe/shells/other
usr/share/a file with blanks  misc/bash,misc/dash
usr/share/ünicode             misc/bash
`

test('lines of packages that are not visible go, and lists name only those that are', () => {
  assert.equal(
    filter(text, ['bash', 'other']),
    `bin/bash                      shells/bash
bin/sh\t\tuniverse/shells/other
usr/share/a file with blanks  misc/bash
usr/share/ünicode             misc/bash
`,
  )
  assert.equal(filter(text, ['bash', 'dash', 'other']), text)
  assert.equal(filter(text, []), '')
  assert.equal(filter('no list at all\nFILE\n', ['all']), 'no list at all\n')
})

test('the same comes out, however the text is cut', () => {
  const whole = filter(text, ['bash', 'other'])
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.boolean(), (chunkBytes, hasEnd) => {
      assert.equal(filter(hasEnd ? text : text.trimEnd(), ['bash', 'other'], chunkBytes), whole)
    }),
  )
})
