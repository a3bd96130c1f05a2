// Canonical JSON against the vectors of RFC 8785, and its refusals.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson, type Json, wellFormed } from './canonical-json.ts'

test('the example of RFC 8785 §3.2.2 and §3.2.3', () => {
  const text =
    '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
    '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}'
  assert.equal(
    canonicalJson(JSON.parse(text) as Json),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  )
})

test('names are sorted by UTF-16 units, as in RFC 8785 §3.2.3, not by code points', () => {
  const value = {
    '€': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\u{1f600}': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    ö: 'Latin Small Letter O With Diaeresis',
  }
  assert.deepEqual(Object.values(JSON.parse(canonicalJson(value)) as object).slice(1), [
    'Carriage Return',
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Emoji: Grinning Face',
    'Hebrew Letter Dalet With Dagesh',
  ])
  assert.match(canonicalJson(value), /^\{"\\r":"Carriage Return","1":"One",/)
})

// Appendix B: IEEE 754 bits, and the form.
const numbers: readonly [bits: string, form: string][] = [
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
]

test('numbers are written as in RFC 8785, appendix B', () => {
  for (const [bits, form] of numbers)
    assert.equal(canonicalJson(Buffer.from(bits, 'hex').readDoubleBE()), form, bits)
  for (const bits of ['7fffffffffffffff', '7ff0000000000000', 'fff0000000000000'])
    assert.throws(() => canonicalJson(Buffer.from(bits, 'hex').readDoubleBE()), /no such number/)
})

test('halves of surrogate pairs are refused wherever they stand, and can be replaced beforehand', () => {
  for (const value of ['\ud800', 'a\udc00b', ['\ud83d'], { a: { '\udead': 1 } }]) {
    assert.throws(() => canonicalJson(value), /halves of characters/)
    assert.doesNotThrow(() => canonicalJson(wellFormed(value)))
  }
  assert.deepEqual(wellFormed({ a: ['\u{1f600}', '\ud83d'], b: undefined }), { a: ['\u{1f600}', '\ufffd'] })
})

test('it means the same, and is what it makes of itself', () => {
  assert.equal(
    canonicalJson({ b: 1, c: { z: 1, y: undefined }, a: 'é\u2028' }),
    '{"a":"é\u2028","b":1,"c":{"z":1}}',
  )
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const form = canonicalJson(value as Json)
      assert.deepEqual(JSON.parse(form), JSON.parse(JSON.stringify(value)))
      assert.equal(canonicalJson(JSON.parse(form) as Json), form)
    }),
  )
})
