// A receiver has what the sender has, whatever got lost on the way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ListChange, ListReceiver, ListSender } from './list-changes.ts'

interface Item {
  readonly key: string
  readonly value: number
}

const keyOf = ({ key }: Item) => key
const list = fc.uniqueArray(
  fc.record(
    { key: fc.constantFrom(...'abcdefgh'), value: fc.integer({ min: 0, max: 2 }) },
    { noNullPrototype: true },
  ),
  { selector: keyOf },
)

function sorted(items: Iterable<Item>): Item[] {
  return [...items].sort((a, b) => (a.key < b.key ? -1 : 1))
}

test('a receiver ends with the list that was sent, though answers are lost and processes begin anew', () => {
  const happening = fc.record({
    items: list,
    fate: fc.constantFrom('comes', 'comes', 'comes', 'is lost', 'new sender', 'new receiver'),
  })
  fc.assert(
    fc.property(fc.array(happening, { minLength: 1, maxLength: 12 }), (happenings) => {
      let sender = new ListSender(keyOf)
      let receiver = new ListReceiver(keyOf)
      for (const { items, fate } of happenings) {
        if (fate === 'new sender') sender = new ListSender(keyOf)
        if (fate === 'new receiver') receiver = new ListReceiver(keyOf)
        const change = sender.changeTo(items, receiver.state)
        if (fate === 'is lost') continue
        receiver.take(change)
        assert.deepEqual(sorted(receiver.items.values()), sorted(items))
      }
    }),
  )
})

test('only what changed is sent, and an equal list changes nothing', () => {
  const sender = new ListSender(keyOf)
  const receiver = new ListReceiver(keyOf)
  const send = (...items: Item[]): ListChange<Item> => {
    const change = sender.changeTo(items, receiver.state)
    receiver.take(change)
    return change
  }
  const [a, b, c] = ['a', 'b', 'c'].map((key) => ({ key, value: 1 })) as [Item, Item, Item]
  assert.deepEqual(send(a, b).added, [a, b])
  const { added, removed } = send({ ...a }, c)
  assert.deepEqual({ added, removed }, { added: [c], removed: ['b'] })
  assert.deepEqual(send({ ...a, value: 2 }, c).added, [{ ...a, value: 2 }])
  const before = receiver.state
  const nothing = send({ ...a, value: 2 }, { ...c })
  assert.deepEqual(nothing, { from: before, to: before, added: [], removed: [] })
})

test('a change of another list is not taken', () => {
  const sender = new ListSender(keyOf)
  const receiver = new ListReceiver(keyOf)
  receiver.take(sender.changeTo([], null))
  const first = sender.changeTo([{ key: 'a', value: 1 }], receiver.state)
  const second = sender.changeTo([], first.to)
  assert.throws(() => receiver.take(second), /not here/)
})
