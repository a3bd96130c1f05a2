// What gates and rules mean for machines: real apt beside a real server.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { PromoteResult } from '../src/actions/promote.ts'
import type { AptRoot } from './rig/apt.ts'
import { aPackage, packages } from './rig/packages.ts'
import { needs } from './rig/programs.ts'
import { play } from './rig/scene.ts'

const apt = needs('apt-get')

async function sees(desk: AptRoot, name: string): Promise<string | null> {
  await desk.update()
  return desk.candidate(name)
}

test('a hold survives three newer versions', apt, async () => {
  await play(
    packages('bash 1', 'vim 1'),
    'rules: [{action: approve}]',
    async ({ server, offer, machine }) => {
      const desk = await machine('approved')
      await server.json('hold', 'bash', '--reason', 'the driver')
      for (const number of [2, 3, 4]) {
        await offer(packages(`bash ${number}`, `vim ${number}`))
        assert.equal(await sees(desk, 'bash'), '1')
        assert.equal(await sees(desk, 'vim'), String(number), 'by itself')
      }
      await server.json('unhold', 'bash')
      await server.json('update')
      assert.equal(await sees(desk, 'bash'), '4')
    },
  )
})

test('two admins promote at the same second: both are served, and machines get both', apt, async () => {
  await play(packages('a 1', 'b 1'), '', async ({ server, offer, machine }) => {
    await offer(packages('a 2', 'b 2'))
    const runs = await Promise.all(
      ['a', 'b', 'a', 'b'].map((source) => server.uus('promote', source, '--json')),
    )
    const states = runs.map(({ status, stdout }) =>
      [status, (JSON.parse(stdout) as PromoteResult).status].join(' '),
    )
    assert.deepEqual(states.sort(), ['0 done', '0 done', '4 nothing', '4 nothing'])
    const desk = await machine('approved')
    assert.deepEqual(await desk.download('a', 'b'), ['a 2', 'b 2'])
  })
})

test('a freeze ends when the day does in the time zone that it is written in', apt, async () => {
  // Between these two the date differs at every moment of the year, New Year among them.
  const [late, early] = ['Pacific/Niue', 'Pacific/Kiritimati']
  const today = new Intl.DateTimeFormat('en-CA', { timeZone: late }).format(new Date())
  const freeze = (zone: string) =>
    `gates: {freeze: [{from: 2020-01-01, to: ${today}, time-zone: ${zone}, reason: holidays}]}`
  await play(packages('bash 1'), freeze(late), async ({ server, offer, machine }) => {
    await offer(packages('bash 2'))
    const refused = await server.uus('promote', 'bash')
    assert.equal(refused.status, 3)
    assert.match(refused.output, /Frozen until .*: holidays/)
    assert.equal(await (await machine('approved')).candidate('bash'), '1')
  })
  await play(packages('bash 1'), freeze(early), async ({ server, offer, machine }) => {
    await offer(packages('bash 2'))
    await server.json('promote', 'bash')
    assert.equal(await (await machine('approved')).candidate('bash'), '2')
  })
})

test('a rule that would approve the backlog leaves it alone', apt, async () => {
  await play(packages('bash 1', 'vim 1'), '', async ({ server, offer, machine }) => {
    await offer(packages('bash 2', 'vim 1'))
    const text = readFileSync(server.configPath, 'utf8')
    writeFileSync(
      server.configPath,
      text.replace('{from: testing, }', '{from: testing, rules: [{action: approve}]}'),
    )
    assert.notEqual(readFileSync(server.configPath, 'utf8'), text)
    await server.restart()
    await offer(packages('bash 2', 'vim 2'))
    const desk = await machine('approved')
    assert.equal(await sees(desk, 'vim'), '2', 'what came after the rule')
    assert.equal(await sees(desk, 'bash'), '1', 'what waited before it')
  })
})

test('a busy package ripens, however often it changes', apt, async () => {
  const settings = 'gates: {soak: 3s}, rules: [{action: approve}]'
  await play(packages('web 1'), settings, async ({ offer, machine }) => {
    const desk = await machine('approved')
    let newest = 1
    let seen: string | null = '1'
    while (seen === '1' && newest < 40) {
      newest++
      await offer(packages(`web ${newest}`))
      seen = await sees(desk, 'web')
      await setTimeout(500)
    }
    assert.ok(Number(seen) > 1 && Number(seen) < newest, `${seen} of ${newest}`)
  })
})

test('a halted update stays out until upstream lets it go on', apt, async () => {
  const phased = (percentage: number) =>
    aPackage({ name: 'vim', version: '2', more: `Phased-Update-Percentage: ${percentage}\n` })
  await play(packages('vim 1'), '', async ({ server, offer, machine }) => {
    await offer([phased(0)])
    const refused = await server.uus('promote', 'vim')
    assert.equal(refused.status, 3)
    assert.match(refused.output, /halted/)
    const desk = await machine('approved')
    assert.equal(await sees(desk, 'vim'), '1')
    await offer(packages('vim 2'))
    await server.json('promote', 'vim')
    assert.equal(await sees(desk, 'vim'), '2')
  })
})

test('a version that upstream withdraws raises an alarm, and enters no more', apt, async () => {
  const settings = 'gates: {soak: [{source: vim, for: 2s}]}, rules: [{match: {source: vim}, action: approve}]'
  await play(packages('bash 1', 'vim 1'), settings, async ({ server, offer, machine }) => {
    await offer(packages('bash 2', 'vim 2'))
    await server.json('promote', 'bash')
    await offer(packages('bash 1', 'vim 1'))
    const { alarms } = JSON.parse(await server.text('/healthz')) as { alarms: { message: string }[] }
    assert.ok(
      alarms.some(({ message }) => /bash/.test(message) && /withdr/.test(message)),
      JSON.stringify(alarms),
    )
    await setTimeout(2500)
    await server.json('update')
    const desk = await machine('approved')
    assert.equal(await desk.candidate('vim'), '1', 'withdrawn while it soaked')
    assert.equal(await desk.candidate('bash'), '2', 'nothing is taken away')
  })
})
