// The port to the jobs process: what callers are told when it dies, and that it comes back.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { step } from '../src/actions/action.ts'
import { ForkedJobs } from '../src/actions/forked-jobs.ts'
import type { Event } from '../src/lib/events.ts'
import { FakeClock } from './rig/clock.ts'

const echo = step<string, string>('echo', (_context, input) => input)

test('a call whose process dies is told so; the next one finds it alive again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'uus-forked-'))
  try {
    const deaths: string[] = []
    let changes = 0
    await using jobs = await ForkedJobs.start({
      program: join(import.meta.dirname, 'rig', 'jobs-that-die.ts'),
      arguments: [join(folder, 'died')],
      configText: '',
      configPath: '',
      baseUrl: null,
      clock: new FakeClock(),
      onChanged: () => {
        changes++
      },
      onDeath: (how) => deaths.push(how),
    })
    const events: Event[] = []
    const call = {
      actor: { name: 'andrew', via: 'cli' },
      emit: (event: Event) => void events.push(event),
    } as const
    await assert.rejects(jobs.run(echo, 'x', call), {
      code: 'JOBS_DIED',
      message: 'The jobs process died (SIGKILL); it is started again',
      hint: 'Nothing is lost or half done: repeat the command',
    })
    assert.deepEqual(deaths, ['SIGKILL'])
    assert.equal(changes, 1, 'what it had committed may be news')
    assert.equal(await jobs.run(echo, 'x', call), 'echo by andrew')
    assert.deepEqual(events, [
      { type: 'note', message: 'first' },
      { type: 'note', message: 'second' },
    ])
    assert.equal(changes, 2)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a process that cannot start at all is an error of the start', async () => {
  await assert.rejects(
    ForkedJobs.start({
      program: join(import.meta.dirname, '..', 'src', 'main.ts'),
      arguments: ['jobs'],
      configText: 'data: [',
      configPath: '/nowhere/config.yaml',
      baseUrl: null,
      clock: new FakeClock(),
      onChanged: () => {},
      onDeath: () => {},
    }),
    { code: 'CONFIG_INVALID' },
  )
})
