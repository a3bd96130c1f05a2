// The rules of promotion as properties, over random histories of a feeding channel.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compareVersions } from '../debian/version.ts'
import { sha256 } from '../lib/digest.ts'
import { classify } from './classify.ts'
import { type EntryPlan, isSamePlace, packageKey, planEntry, type Stanza } from './entry.ts'
import { planFollow, planUngated } from './follow.ts'

/** Two suites of one archive (say updates and security), two components in the first. */
const places = [
  { indexId: 1, suiteId: 1 },
  { indexId: 2, suiteId: 1 },
  { indexId: 3, suiteId: 2 },
]

const stanza = fc
  .record({
    name: fc.constantFrom('a', 'b', 'c'),
    source: fc.constantFrom('s', 't'),
    version: fc.constantFrom('1', '2', '3'),
    build: fc.constantFrom('', '+b1'),
    content: fc.constantFrom('x', 'x', 'x', 'y'),
    place: fc.integer({ min: 0, max: 2 }),
  })
  .map(({ name, source, version, build, content, place }): Stanza => {
    const { indexId, suiteId } = places[place]!
    const file = sha256(`${name} ${source} ${version}${build} ${content}`)
    return {
      id: Number.parseInt(file.slice(0, 8), 16),
      indexId,
      indexArchitecture: 'amd64',
      suiteId,
      archiveId: 1,
      name,
      version: `${version}${build}`,
      architecture: 'amd64',
      source,
      sourceVersion: version,
      sha256: file,
    }
  })

/** What a channel shows: no stanza twice in one place. */
const content = fc.uniqueArray(stanza, { maxLength: 12, selector: (one) => `${one.id} ${one.indexId}` })

const has = (list: readonly Stanza[], one: Stanza) => list.some((other) => isSamePlace(other, one))
const minus = (list: readonly Stanza[], other: readonly Stanza[]) => list.filter((one) => !has(other, one))
const apply = (list: readonly Stanza[], plan: EntryPlan<Stanza>) => [
  ...minus(list, plan.leave),
  ...plan.enter,
]
const key = (one: Stanza) => `${one.indexId} ${one.name} ${one.version} ${one.sha256}`
const keys = (list: readonly Stanza[]) => list.map(key).sort()

function promoteVersion(
  feeding: readonly Stanza[],
  target: readonly Stanza[],
  source: string,
  version: string,
) {
  const entering = feeding.filter((one) => one.source === source && one.sourceVersion === version)
  const names = new Set(entering.map((one) => one.name))
  const shown = target.filter((one) => names.has(one.name))
  return { entering, plan: planEntry(entering, shown, (one) => has(feeding, one)) }
}

test('(a) all stanzas of the version are there afterwards, and nothing else enters', () => {
  fc.assert(
    fc.property(
      content,
      content,
      fc.constantFrom('s', 't'),
      fc.constantFrom('1', '2', '3'),
      (feeding, target, source, version) => {
        const { entering, plan } = promoteVersion(feeding, target, source, version)
        const after = apply(target, plan)
        for (const one of entering) assert.ok(has(after, one))
        for (const one of plan.enter) assert.ok(has(entering, one))
        assert.equal(new Set(keys(after)).size, after.length, 'nothing stands twice')
      },
    ),
  )
})

test('(b) what leaves is succeeded by what enters and is no longer held by the feeding channel', () => {
  fc.assert(
    fc.property(
      content,
      content,
      fc.constantFrom('s', 't'),
      fc.constantFrom('1', '2', '3'),
      (feeding, target, source, version) => {
        const { entering, plan } = promoteVersion(feeding, target, source, version)
        for (const gone of plan.leave) {
          assert.ok(!has(feeding, gone))
          const successors = entering.filter((one) => packageKey(one) === packageKey(gone))
          assert.ok(successors.length > 0)
          assert.ok(
            successors.some(
              (one) => one.suiteId === gone.suiteId || compareVersions(gone.version, one.version) < 0,
            ),
          )
        }
      },
    ),
  )
})

test('(c) everything else stays: other packages, and all that the feeding channel still offers', () => {
  fc.assert(
    fc.property(
      content,
      content,
      fc.constantFrom('s', 't'),
      fc.constantFrom('1', '2', '3'),
      (feeding, target, source, version) => {
        const { entering, plan } = promoteVersion(feeding, target, source, version)
        const after = apply(target, plan)
        for (const one of target) {
          const isSucceeded = entering.some((other) => packageKey(other) === packageKey(one))
          if (!isSucceeded || has(feeding, one)) assert.ok(has(after, one))
        }
      },
    ),
  )
})

test('promoting twice changes nothing the second time', () => {
  fc.assert(
    fc.property(
      content,
      content,
      fc.constantFrom('s', 't'),
      fc.constantFrom('1', '2', '3'),
      (feeding, target, source, version) => {
        const once = apply(target, promoteVersion(feeding, target, source, version).plan)
        const { plan } = promoteVersion(feeding, once, source, version)
        assert.deepEqual([plan.enter, plan.leave], [[], []])
      },
    ),
  )
})

test('what moves without a decision shows clients no file that they did not see before, and hides none that is still fed', () => {
  fc.assert(
    fc.property(content, content, (feeding, target) => {
      const plan = planUngated(minus(feeding, target), minus(target, feeding), target)
      const after = apply(target, plan)
      const files = (list: readonly Stanza[]) => new Set(list.map((one) => one.sha256))
      for (const file of files(after)) assert.ok(files(target).has(file))
      for (const one of target) if (has(feeding, one)) assert.ok(has(after, one))
      // What a client would install of any package does not go down by it.
      for (const name of ['a', 'b', 'c']) {
        const best = (list: readonly Stanza[]) =>
          list
            .filter((one) => one.name === name)
            .map((one) => one.version)
            .sort(compareVersions)
            .at(-1)
        const [had, gets] = [best(target), best(after)]
        if (had !== undefined)
          assert.ok(gets !== undefined && compareVersions(gets, had) >= 0, `${name}: ${had} → ${gets}`)
      }
    }),
  )
})

test('following without holds ends at what is followed; a held source stays as it was', () => {
  fc.assert(
    fc.property(content, content, fc.boolean(), (feeding, target, isHeld) => {
      const rules = { isHeld: (one: Stanza) => isHeld && one.source === 's', isDeclined: () => false }
      const after = apply(target, planFollow(minus(feeding, target), minus(target, feeding), rules))
      const of = (list: readonly Stanza[], source: string) =>
        keys(list.filter((one) => one.source === source))
      assert.deepEqual(of(after, 't'), of(feeding, 't'))
      assert.deepEqual(of(after, 's'), of(isHeld ? target : feeding, 's'))
    }),
  )
})

test('a declined version never enters a following channel', () => {
  fc.assert(
    fc.property(content, content, (feeding, target) => {
      const isDeclined = (one: Stanza) => one.source === 's' && one.sourceVersion === '2'
      const plan = planFollow(minus(feeding, target), minus(target, feeding), {
        isHeld: () => false,
        isDeclined,
      })
      assert.ok(plan.enter.every((one) => !isDeclined(one)))
    }),
  )
})

test('promoting all that waits, of every kind, leaves nothing of the source to promote', () => {
  fc.assert(
    fc.property(content, content, (feeding, target) => {
      let shown = target
      for (const source of ['s', 't']) {
        for (let round = 0; round < 6; round++) {
          const changes = pendingOf(feeding, shown, source)
          if (changes.length === 0) break
          for (const change of changes) {
            const names = new Set(change.arrived.map((one) => one.name))
            const plan = planEntry(
              change.arrived.filter((one) => !has(shown, one)),
              shown.filter((one) => names.has(one.name)),
              (one) => has(feeding, one),
            )
            const gone = change.gone.filter((one) => has(shown, one) && !has(plan.leave, one))
            shown = apply(shown, { enter: plan.enter, leave: [...plan.leave, ...gone] })
          }
        }
        assert.deepEqual(pendingOf(feeding, shown, source), [], `${source} still has something waiting`)
      }
    }),
  )
})

function pendingOf(feeding: readonly Stanza[], target: readonly Stanza[], source: string) {
  return classify({
    feeding: feeding.filter((one) => one.source === source),
    target: target.filter((one) => one.source === source),
    isKnown: target.some((one) => one.source === source),
    isHeldNow: () => false,
    classOf: () => '',
  })
}

test('nothing waits between equal channels', () => {
  fc.assert(
    fc.property(content, (feeding) => {
      for (const source of ['s', 't']) assert.deepEqual(pendingOf(feeding, feeding, source), [])
    }),
  )
})
