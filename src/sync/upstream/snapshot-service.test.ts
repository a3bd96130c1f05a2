import assert from 'node:assert/strict'
import { test } from 'node:test'
import { snapshotUrls } from './snapshot-service.ts'

const uri = (text: string) => ({ uri: text, suites: null, architectures: null })
const hour = 3_600_000
const from = Date.UTC(2026, 0, 1)
const until = from + 48 * hour
const path = 'pool/main/b/bash/bash_5.1+b1_amd64.deb'

test('public archives are known by their address, and their paths as apt has them', () => {
  const first = (address: string) =>
    snapshotUrls({ uris: [uri(address)], snapshotUris: null }, path, { from, until }, until)[0] ?? null
  const tail = '20260101T060000Z/pool/main/b/bash/bash_5.1%2Bb1_amd64.deb'
  assert.equal(first('http://de.archive.ubuntu.com/ubuntu'), `https://snapshot.ubuntu.com/ubuntu/${tail}`)
  assert.equal(
    first('http://deb.debian.org/debian-security'),
    `https://snapshot.debian.org/archive/debian-security/${tail}`,
  )
  assert.equal(
    first('https://ppa.launchpadcontent.net/team/tools/ubuntu'),
    `https://snapshot.ppa.launchpadcontent.net/team/tools/ubuntu/${tail}`,
  )
  assert.equal(first('http://mirror.example.org/ubuntu'), null)
  assert.equal(first('http://archive.ubuntu.com.example.org/ubuntu'), null)
})

test('a name stands for a known service, an empty list for none', () => {
  const uris = [uri('http://mirror.example.org/debian')]
  const of = (snapshotUris: readonly string[]) =>
    snapshotUrls({ uris, snapshotUris }, 'a', { from, until }, until)
  assert.equal(of(['debian'])[0], 'https://snapshot.debian.org/archive/debian/20260101T060000Z/a')
  assert.deepEqual(of([]), [])
})

test('times lie where the archive had the file, also if that was short', () => {
  const uris = [uri('http://a.example/debian')]
  const ids = (end: number | null, now: number) =>
    snapshotUrls({ uris, snapshotUris: ['http://s/@SNAPSHOTID@'] }, 'a', { from, until: end }, now).map(
      (url) => url.split('/').at(-2),
    )
  assert.deepEqual(ids(until, until), ['20260101T060000Z', '20260101T000000Z', '20260102T235959Z'])
  assert.deepEqual(ids(from + 2 * hour, until), ['20260101T010000Z', '20260101T000000Z', '20260101T015959Z'])
  assert.deepEqual(ids(null, from + hour), ['20260101T003000Z', '20260101T000000Z', '20260101T005959Z'])
})
